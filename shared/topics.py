"""Every Kafka topic, with the partitions and the retention that `migrate` creates it with."""

from __future__ import annotations

from datetime import timedelta

from msgspec import Struct

DEAD_LETTER_SUFFIX = ".dead"


class Topic(Struct, frozen=True):
    name: str
    partitions: int
    retention: timedelta


SEND_OTP = Topic("send-otp", 6, timedelta(hours=24))
SEND_NOTICE = Topic("send-notice", 6, timedelta(days=7))
MAIL = (SEND_OTP, SEND_NOTICE)

USER_REGISTERED = Topic("user_registered", 3, timedelta(days=7))
USER_LOGGED_IN = Topic("user_logged_in", 3, timedelta(days=7))
USER_UPDATED = Topic("user_updated", 3, timedelta(days=7))
USER_DEACTIVATED = Topic("user_deactivated", 3, timedelta(days=7))
USER_DELETED = Topic("user_deleted", 3, timedelta(days=7))
PASSWORD_RESET_REQUESTED = Topic("password_reset_requested", 3, timedelta(days=7))
PASSWORD_RESET_COMPLETED = Topic("password_reset_completed", 3, timedelta(days=7))
PASSWORD_CHANGED = Topic("password_changed", 3, timedelta(days=7))
EMAIL_CHANGED = Topic("email_changed", 3, timedelta(days=7))
SESSIONS_REVOKED = Topic("sessions_revoked", 3, timedelta(days=7))
# What happens to accounts, for whoever wants to follow.
LIFECYCLE = (
    USER_REGISTERED,
    USER_LOGGED_IN,
    USER_UPDATED,
    USER_DEACTIVATED,
    USER_DELETED,
    PASSWORD_RESET_REQUESTED,
    PASSWORD_RESET_COMPLETED,
    PASSWORD_CHANGED,
    EMAIL_CHANGED,
    SESSIONS_REVOKED,
)
# Those of them that other services may send us too.
FOREIGN = (USER_UPDATED, USER_DEACTIVATED)
# What Clerk tells of its users.
CLERK_WEBHOOK = Topic("clerk-webhook", 3, timedelta(days=7))
# What the worker takes in.
INCOMING = (*FOREIGN, CLERK_WEBHOOK)


def dead_letters_of(topic: Topic) -> Topic:
    """Where a topic's undeliverable messages wait for a person."""
    return Topic(topic.name + DEAD_LETTER_SUFFIX, 1, timedelta(days=7))


ALL = (*MAIL, *LIFECYCLE, CLERK_WEBHOOK, *(dead_letters_of(topic) for topic in (*MAIL, *INCOMING)))
