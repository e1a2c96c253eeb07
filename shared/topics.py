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


def dead_letters_of(topic: Topic) -> Topic:
    """Where a topic's undeliverable messages wait for a person."""
    return Topic(topic.name + DEAD_LETTER_SUFFIX, 1, timedelta(days=7))


ALL = (
    SEND_OTP,
    dead_letters_of(SEND_OTP),
    SEND_NOTICE,
    dead_letters_of(SEND_NOTICE),
    USER_REGISTERED,
    USER_LOGGED_IN,
)
