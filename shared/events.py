"""What travels on Kafka: one Struct for each kind of event, in CloudEvents 1.0 binary mode.

A new field always has a default, so that a consumer may be older than its producer.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Literal

import msgspec
from msgspec import Struct

from shared import topics
from shared.codes import Purpose
from shared.emails import OtpEmail
from shared.topics import Topic

SOURCE = "gatepost/user-service"

Headers = list[tuple[str, bytes]]


class SendOtp(Struct, frozen=True, kw_only=True):
    """Asks for one mail about a challenge. Holds no code: the email service derives it.

    `email` names the template. Times are milliseconds since 1970; `expires_at` ends the code.
    """

    version: int = 1
    challenge_id: str
    purpose: Purpose
    email: OtpEmail
    address: str
    sequence: int
    kid: str
    issued_at: int
    expires_at: int


class SendNotice(Struct, frozen=True, kw_only=True):
    """Asks for one mail that tells a person what happened to their account.

    `email` names the template, `facts` fill it. A notice of an account that is gone has no
    `user_id`.
    """

    version: int = 1
    # A NoticeEmail, but one that an older email service does not know yet is no broken event.
    email: str
    address: str
    occurred_at: datetime
    user_id: str | None = None
    facts: dict[str, str] = {}


class AccountEvent(Struct, frozen=True, kw_only=True):
    """What happened to one account; `account_version` orders its events across topics."""

    version: int = 1
    user_id: str
    account_version: int


class UserRegistered(AccountEvent, frozen=True, kw_only=True):
    """`email` and `name` are null when the event is replayed after the account was deleted."""

    email: str | None
    name: str | None
    username: str | None
    registered_at: datetime


class UserLoggedIn(AccountEvent, frozen=True, kw_only=True):
    """Carries no token: a bearer credential does not belong in a topic."""

    session_id: str
    logged_in_at: datetime


class UserUpdated(AccountEvent, frozen=True, kw_only=True):
    """Name, username or status are others by now; `name` is null after a deletion."""

    name: str | None
    username: str | None
    status: Literal["active", "disabled"]
    updated_at: datetime


class UserDeactivated(AccountEvent, frozen=True, kw_only=True):
    """None of the user's tokens counts any more."""

    deactivated_at: datetime


class UserDeleted(AccountEvent, frozen=True, kw_only=True):
    deleted_at: datetime


class PasswordResetRequested(AccountEvent, frozen=True, kw_only=True):
    """Somebody asked for a code, or an administrator withdrew the password."""

    requested_at: datetime


class PasswordResetCompleted(AccountEvent, frozen=True, kw_only=True):
    completed_at: datetime


class PasswordChanged(AccountEvent, frozen=True, kw_only=True):
    changed_at: datetime


class EmailChanged(AccountEvent, frozen=True, kw_only=True):
    """`email` is the new address; null after a deletion."""

    email: str | None
    changed_at: datetime


class ClerkUserChanged(Struct, frozen=True, kw_only=True):
    """What Clerk says of one of its users, as far as an account needs it.

    `email` is the primary address as Clerk spells it, null unless Clerk has verified it. A deleted
    user may have no id. Times are milliseconds since 1970 by Clerk's clock.
    """

    version: int = 1
    clerk_user_id: str | None
    deleted: bool
    updated_at: int
    sent_at: int
    email: str | None = None
    name: str = ""
    username: str | None = None


class SessionsRevoked(AccountEvent, frozen=True, kw_only=True):
    """Tokens of these sessions count no more."""

    session_ids: list[str]
    revoked_at: datetime


TOPICS: dict[type[Struct], Topic] = {
    SendOtp: topics.SEND_OTP,
    SendNotice: topics.SEND_NOTICE,
    UserRegistered: topics.USER_REGISTERED,
    UserLoggedIn: topics.USER_LOGGED_IN,
    UserUpdated: topics.USER_UPDATED,
    UserDeactivated: topics.USER_DEACTIVATED,
    UserDeleted: topics.USER_DELETED,
    PasswordResetRequested: topics.PASSWORD_RESET_REQUESTED,
    PasswordResetCompleted: topics.PASSWORD_RESET_COMPLETED,
    PasswordChanged: topics.PASSWORD_CHANGED,
    EmailChanged: topics.EMAIL_CHANGED,
    SessionsRevoked: topics.SESSIONS_REVOKED,
    ClerkUserChanged: topics.CLERK_WEBHOOK,
}

_encoder = msgspec.json.Encoder()


def encode(event: Struct) -> bytes:
    return _encoder.encode(event)


def new_id() -> str:
    return str(uuid.uuid4())


def headers(event_id: str, kind: str, at: datetime | None = None) -> Headers:
    """CloudEvents attributes as Kafka headers; `kind` is the topic's name without prefix."""
    when = (at or datetime.now(UTC)).isoformat(timespec="milliseconds")
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id.encode()),
        ("ce_type", kind.encode()),
        ("ce_source", SOURCE.encode()),
        ("ce_time", when.encode()),
        ("content-type", b"application/json"),
    ]
