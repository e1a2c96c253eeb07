"""What administrators ask for, as they type it: beginnings, moments, and where a page ended."""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from uuid import UUID

from user_service.audit.audit_store import AuditEntry
from user_service.errors import InvalidFields
from user_service.identity.addresses import canonical_address
from user_service.identity.directory_store import Member, Place

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
# Multiples of three bytes: their base64 needs no padding.
TIME_BYTES = 8
ID_BYTES = 16
ENTRY_BYTES = 9


def beginning(typed: str) -> str:
    """As addresses and usernames are stored; raises InvalidFields."""
    try:
        return canonical_address(typed)
    except InvalidFields:
        if not (typed.isascii() and typed.isprintable()):
            sentence = "Addresses and usernames begin with printable ASCII characters."
            raise InvalidFields(search=sentence) from None
        return typed.strip().lower()


def moment(field: str, typed: datetime | None) -> datetime | None:
    """The same moment in UTC; raises InvalidFields."""
    if typed is None:
        return None
    if typed.tzinfo is None:
        raise InvalidFields(**{field: "A time names its offset from UTC, like 2026-01-31T12:00Z."})
    try:
        return typed.astimezone(UTC)
    except OverflowError:
        raise InvalidFields(**{field: "There is no such time."}) from None


def cursor_at(member: Member) -> str:
    """What brings the page after the one that ends with this account."""
    account = member.account
    age = (account.created_at - EPOCH) // MICROSECOND
    return _text(age.to_bytes(TIME_BYTES, signed=True) + account.id.bytes)


def place_of(cursor: str) -> Place:
    """Raises InvalidFields unless we wrote it, letter by letter."""
    raw = _bytes(cursor, TIME_BYTES + ID_BYTES)
    try:
        age = timedelta(microseconds=int.from_bytes(raw[:TIME_BYTES], signed=True))
        return Place(EPOCH + age, UUID(bytes=raw[TIME_BYTES:]))
    except OverflowError:
        raise _not_ours() from None


def cursor_of_entry(entry: AuditEntry) -> str:
    return _text(entry.id.to_bytes(ENTRY_BYTES))


def entry_of(cursor: str) -> int:
    """The id of the entry that a page ended with; raises InvalidFields."""
    id = int.from_bytes(_bytes(cursor, ENTRY_BYTES))
    if id >= 2**63:
        raise _not_ours()
    return id


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode()


def _bytes(cursor: str, length: int) -> bytes:
    try:
        raw = b64decode(cursor, altchars=b"-_", validate=True)
    except ValueError:
        raise _not_ours() from None
    if len(raw) != length or _text(raw) != cursor:
        raise _not_ours()
    return raw


def _not_ours() -> InvalidFields:
    return InvalidFields(after="Send back what the page before called next.")
