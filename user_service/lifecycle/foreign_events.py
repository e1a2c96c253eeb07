"""Reading an event of another service: a CloudEvent in binary mode that concerns one account."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
import structlog
from msgspec import Meta, Struct

from shared.dead_letters.writing import LONGEST_VALUE, DeadEnd
from shared.events import SOURCE
from shared.kafka import Message
from shared.topics import USER_DEACTIVATED
from user_service.errors import InvalidFields
from user_service.identity.names import display_name

GROUP = "user-service-lifecycle"

LONGEST_ID = 200
# How far another service's clock may be ahead: what comes from later would shut out all others.
MOST_AHEAD = timedelta(minutes=5)

log = structlog.get_logger()

Moment = Annotated[datetime, Meta(tz=True)]


class ForeignEvent(Struct, frozen=True, kw_only=True):
    """`name` is None when the event holds none, as each deactivation does."""

    source: str
    id: str
    at: datetime
    deactivates: bool
    user_id: UUID
    name: str | None


# All that is read of a value: what else it says of a user is for others.
class _Deactivated(Struct):
    user_id: UUID


class _Updated(Struct):
    user_id: UUID
    name: str | None = None


_deactivated = msgspec.json.Decoder(_Deactivated)
_updated = msgspec.json.Decoder(_Updated)


def read_event(message: Message, sources: frozenset[str]) -> ForeignEvent | None:
    """The event in a message of `user_updated` or `user_deactivated`, or None when its source is
    none of `sources`; raises DeadEnd."""
    source = attribute(message, "ce_source")
    if source not in sources:
        # What we have sent ourselves comes by as well.
        if source != SOURCE:
            log.info("event_skipped", topic=message.topic, source=source)
        return None
    try:
        return _read(message)
    except (ValueError, OverflowError, RecursionError) as error:
        raise DeadEnd("malformed", str(error)) from None
    except InvalidFields as refusal:
        raise DeadEnd("malformed", (refusal.fields or {})["name"]) from None


def subject_of(event: ForeignEvent) -> str:
    return str(event.user_id)


def _read(message: Message) -> ForeignEvent:
    deactivates = message.topic.endswith(USER_DEACTIVATED.name)
    user_id, name = (_deactivation if deactivates else _update)(_bounded(message.value))
    return ForeignEvent(
        source=attribute(message, "ce_source"),
        id=attribute(message, "ce_id"),
        at=_moment(attribute(message, "ce_time")),
        deactivates=deactivates,
        user_id=user_id,
        name=name,
    )


def _deactivation(value: bytes) -> tuple[UUID, None]:
    return _deactivated.decode(value).user_id, None


def _update(value: bytes) -> tuple[UUID, str | None]:
    update = _updated.decode(value)
    return update.user_id, None if update.name is None else display_name(update.name)


def attribute(message: Message, name: str) -> str:
    """A header that every event has, as printable text; raises DeadEnd."""
    text = message.header(name)
    if not text:
        raise DeadEnd("malformed", f"no {name} header")
    if len(text) > LONGEST_ID or not text.isprintable() or "\ufffd" in text:
        raise DeadEnd("malformed", f"{name} is not {LONGEST_ID} printable characters at most")
    return text


def _bounded(value: bytes | None) -> bytes:
    if value is None or len(value) > LONGEST_VALUE:
        raise DeadEnd("malformed", f"no value, or more than {LONGEST_VALUE} bytes")
    return value


def _moment(text: str) -> datetime:
    at = msgspec.convert(text, Moment).astimezone(UTC)
    if at > datetime.now(UTC) + MOST_AHEAD:
        raise DeadEnd("malformed", "ce_time lies in the future")
    return at
