"""Reading events: CloudEvents in binary mode, of which only what ends tokens is looked at."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from gatepost_client.revocations import Revocations

SERVICE = "gatepost/user-service"
SESSIONS_REVOKED = "sessions_revoked"
USER_DEACTIVATED = "user_deactivated"
USER_DELETED = "user_deleted"
KINDS = (SESSIONS_REVOKED, USER_DEACTIVATED, USER_DELETED)
# How far another clock may be ahead: what claims to come from later is believed by nobody.
MOST_AHEAD_SECONDS = 300.0
# Another service's clock may be behind, and the user service takes a while to heed it; tokens that
# it has signed meanwhile end with the others, and no event tells of them.
SETTLING_SECONDS = 300.0

Headers = Sequence[tuple[str, bytes | str | None]]


class Malformed(Exception):
    """It is no event; says why, for the log."""


@dataclass(frozen=True, slots=True)
class Record:
    """`produced_at` is in seconds since 1970, as the producer or the broker has stamped it."""

    topic: str
    headers: Headers
    value: bytes | None
    produced_at: float


@dataclass(frozen=True, slots=True)
class Reader:
    """`sources` are those whose `user_deactivated` count, the service itself among them."""

    topic_prefix: str
    sources: frozenset[str]

    @property
    def topics(self) -> list[str]:
        return [self.topic_prefix + kind for kind in KINDS]

    def apply(self, record: Record, revocations: Revocations) -> None:
        """Note what the record ends; raises Malformed. Strangers' events are passed over."""
        kind, source = record.topic.removeprefix(self.topic_prefix), _text(record, "ce_source")
        if source not in self.sources:
            return
        if source != SERVICE:
            # Of other services the user service itself heeds nothing else.
            if kind == USER_DEACTIVATED:
                revocations.bar_user(_user(_event(record)), _foreign_moment(record))
            return
        event = _event(record)
        if kind == SESSIONS_REVOKED:
            revocations.end_sessions(_sessions(event), _moment(event, "revoked_at", record))
        elif kind == USER_DEACTIVATED:
            revocations.bar_user(_user(event), _moment(event, "deactivated_at", record))
        elif kind == USER_DELETED:
            # The id is never given out again, so there is no token to be unjust to.
            at = _moment(event, "deleted_at", record) + SETTLING_SECONDS
            revocations.bar_user(_user(event), at)


def _event(record: Record) -> dict[str, Any]:
    try:
        event = json.loads(record.value or b"")
    except (ValueError, RecursionError) as error:
        raise Malformed(type(error).__name__) from None
    if type(event) is not dict:
        raise Malformed("not an object")
    return event


def _user(event: dict[str, Any]) -> UUID:
    return _id(event.get("user_id"))


def _sessions(event: dict[str, Any]) -> list[UUID]:
    ids = event.get("session_ids")
    if type(ids) is not list:
        raise Malformed("no session_ids")
    return [_id(id) for id in ids]


def _id(text: Any) -> UUID:
    try:
        return UUID(text)
    except (AttributeError, TypeError, ValueError):
        raise Malformed("an id is no UUID") from None


def _moment(event: dict[str, Any], name: str, record: Record) -> float:
    """When the service says it happened; else when the record was made."""
    told = _seconds(event.get(name))
    at = record.produced_at if told is None else told
    return min(at, time.time() + MOST_AHEAD_SECONDS)


def _foreign_moment(record: Record) -> float:
    """Until when tokens end: the event may tell of a decision that was made long ago."""
    told, now = _seconds(_text(record, "ce_time")), time.time()
    if told is None or told > now + MOST_AHEAD_SECONDS:
        raise Malformed("ce_time is no moment, or lies in the future")
    return max(told, min(record.produced_at, now)) + SETTLING_SECONDS


def _seconds(text: Any) -> float | None:
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, TypeError, ValueError):
        return None


def _text(record: Record, header: str) -> str:
    for name, value in record.headers:
        if name == header and value is not None:
            return value if isinstance(value, str) else value.decode("utf-8", "replace")
    raise Malformed(f"no {header}")
