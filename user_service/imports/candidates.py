"""What a row says of a person, as far as it may be stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

from msgspec import Struct

from user_service.errors import InvalidFields
from user_service.identity.addresses import canonical_address
from user_service.identity.names import acceptable_name, canonical_username, display_name
from user_service.identity.password_hashes import DigestRefused, canonical_digest
from user_service.imports.records import Record, Rejected

NO_ADDRESS = "no address"
UNVERIFIED = "address not verified"
UNACCEPTABLE = "address not acceptable"
NAME_LOST = "name not acceptable"
USERNAME_LOST = "username not acceptable"
USERNAME_TAKEN = "username taken"
TIME_LOST = "created_at not a time of the past in ISO 8601"
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


class Candidate(Struct, frozen=True, kw_only=True):
    """Somebody with a verified address, which is canonical as the username is.

    `losses` are reasons why something of the row is not in here. The id is that of the account,
    if one is made.
    """

    line: int
    id: UUID
    email: str
    name: str
    username: str | None
    password_hash: str | None
    created_at: datetime | None
    clerk_id: str | None
    losses: tuple[str, ...]


def candidate_of(
    row: Record,
    who: str,
    *,
    address: str,
    name: str,
    username: str,
    digest: str,
    created_at: str,
    clerk_id: str | None = None,
    losses: Sequence[str] = (),
) -> Candidate | Rejected:
    """Each as the row has it, empty where it has none; `losses` is what the caller left out."""
    try:
        email = canonical_address(address)
    except InvalidFields:
        return Rejected(row.line, UNACCEPTABLE, "skipped", who)
    lost = list(losses)
    return Candidate(
        line=row.line,
        id=uuid4(),
        email=email,
        name=_name(name, username, email, lost),
        username=_username(username, lost),
        password_hash=_password_hash(digest, lost),
        created_at=_created_at(created_at, lost),
        clerk_id=clerk_id,
        losses=tuple(lost),
    )


def _name(name: str, username: str, email: str, lost: list[str]) -> str:
    try:
        return display_name(name)
    except InvalidFields:
        if name:
            lost.append(NAME_LOST)
    return acceptable_name(username, email.partition("@")[0])


def _username(username: str, lost: list[str]) -> str | None:
    try:
        return canonical_username(username) if username else None
    except InvalidFields:
        lost.append(USERNAME_LOST)
        return None


def _password_hash(digest: str, lost: list[str]) -> str | None:
    try:
        return canonical_digest(digest) if digest else None
    except DigestRefused as refusal:
        lost.append(str(refusal))
        return None


def _created_at(text: str, lost: list[str]) -> datetime | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is not None:
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        if EARLIEST <= at <= datetime.now(UTC):
            return at
    lost.append(TIME_LOST)
    return None
