"""Reading what Clerk says of a user: the few fields that an account needs, and no metadata."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from shared.events import ClerkUserChanged
from user_service.errors import WebhookRejected
from user_service.identity import clerk_store

UPSERTS = {"user.created", "user.updated"}
DELETION = "user.deleted"

Id = Annotated[str, Meta(pattern=clerk_store.USER_ID)]
# Up to the year 9999, as far as a moment can be written down.
Milliseconds = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]


class _Verification(Struct):
    status: str | None = None


class _Address(Struct):
    id: str | None
    email_address: str
    verification: _Verification | None = None

    @property
    def verified(self) -> bool:
        return self.verification is not None and self.verification.status == "verified"


class _User(Struct):
    id: Id
    updated_at: Milliseconds
    first_name: str | None = None
    last_name: str | None = None
    username: str | None = None
    primary_email_address_id: str | None = None
    email_addresses: list[_Address] = []

    @property
    def email(self) -> str | None:
        """The primary address; another one of the list is not what the user is known by."""
        for address in self.email_addresses:
            if address.id is not None and address.id == self.primary_email_address_id:
                return address.email_address if address.verified else None
        return None


class _Gone(Struct):
    id: Id | None = None


class _Envelope(Struct):
    type: str
    data: msgspec.Raw
    timestamp: Milliseconds | None = None


_envelope = msgspec.json.Decoder(_Envelope)
_user = msgspec.json.Decoder(_User)
_gone = msgspec.json.Decoder(_Gone)


def read_payload(body: bytes, sent_at: int) -> ClerkUserChanged | None:
    """What is said of a user, or None when it is not about one; raises WebhookRejected.

    `sent_at` (seconds) stands in for a time that the payload lacks.
    """
    try:
        envelope = _envelope.decode(body)
        at = sent_at * 1000 if envelope.timestamp is None else envelope.timestamp
        if envelope.type in UPSERTS:
            return _upsert(_user.decode(envelope.data), at)
        if envelope.type == DELETION:
            id = _gone.decode(envelope.data).id
            return ClerkUserChanged(clerk_user_id=id, deleted=True, updated_at=at, sent_at=at)
    except (ValueError, RecursionError):
        raise WebhookRejected from None
    return None


def _upsert(user: _User, at: int) -> ClerkUserChanged:
    return ClerkUserChanged(
        clerk_user_id=user.id,
        deleted=False,
        updated_at=user.updated_at,
        sent_at=at,
        email=user.email,
        name=" ".join(filter(None, (_storable(user.first_name), _storable(user.last_name)))),
        username=_storable(user.username),
    )


def _storable(text: str | None) -> str | None:
    """Postgres has no NUL, and a name with one is no name."""
    return None if text is None or "\0" in text else text
