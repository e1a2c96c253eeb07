"""What a row says of a person, as far as it may be stored."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

from msgspec import Struct

from user_service.errors import InvalidFields
from user_service.identity.names import acceptable_name, canonical_username, display_name
from user_service.identity.password_hashes import DigestRefused, canonical_digest

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


class Draft(Struct):
    """A candidate that is being written, with what is lost on the way."""

    line: int
    email: str
    losses: list[str]

    def finished(
        self,
        *,
        name: str,
        username: str,
        digest: str,
        created_at: str,
        clerk_id: str | None = None,
    ) -> Candidate:
        """Each as the row has it, empty where it has none."""
        return Candidate(
            line=self.line,
            id=uuid4(),
            email=self.email,
            name=self._name(name, username),
            username=self._username(username),
            password_hash=self._password_hash(digest),
            created_at=self._created_at(created_at),
            clerk_id=clerk_id,
            losses=tuple(self.losses),
        )

    def _name(self, name: str, username: str) -> str:
        try:
            return display_name(name)
        except InvalidFields:
            if name:
                self.losses.append(NAME_LOST)
        return acceptable_name(username, self.email.partition("@")[0])

    def _username(self, username: str) -> str | None:
        try:
            return canonical_username(username) if username else None
        except InvalidFields:
            self.losses.append(USERNAME_LOST)
            return None

    def _password_hash(self, digest: str) -> str | None:
        try:
            return canonical_digest(digest) if digest else None
        except DigestRefused as refusal:
            self.losses.append(str(refusal))
            return None

    def _created_at(self, text: str) -> datetime | None:
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
        self.losses.append(TIME_LOST)
        return None
