"""What travels on Kafka: one Struct for each kind of event, in CloudEvents 1.0 binary mode.

A new field always has a default, so that a consumer may be older than its producer.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from shared.codes import Purpose
from shared.emails import OtpEmail

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
    email: str
    address: str
    occurred_at: datetime
    user_id: str | None = None
    facts: dict[str, str] = {}


class UserRegistered(Struct, frozen=True, kw_only=True):
    version: int = 1
    user_id: str
    email: str
    name: str
    username: str | None
    account_version: int
    registered_at: datetime


class UserLoggedIn(Struct, frozen=True, kw_only=True):
    """Carries no token: a bearer credential does not belong in a topic."""

    version: int = 1
    user_id: str
    session_id: str
    account_version: int
    logged_in_at: datetime


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
