"""Reading Clerk's word back from Kafka, where the webhook has put it."""

from __future__ import annotations

import msgspec

from shared.dead_letters.writing import DeadEnd
from shared.events import SOURCE, ClerkUserChanged
from shared.kafka import Message

GROUP = "user-service-clerk"

_decoder = msgspec.json.Decoder(ClerkUserChanged)


def read_message(message: Message) -> ClerkUserChanged:
    """Raises DeadEnd for what no webhook of ours has produced."""
    if message.header("ce_source") != SOURCE:
        raise DeadEnd("malformed", "ce_source is not ours")
    try:
        event = _decoder.decode(message.value or b"")
    except (ValueError, RecursionError) as error:
        raise DeadEnd("malformed", str(error)) from None
    if event.clerk_user_id is None:
        raise DeadEnd("no user id", "Clerk has deleted a user and did not say which one")
    return event


def subject_of(event: ClerkUserChanged) -> str:
    return event.clerk_user_id or ""
