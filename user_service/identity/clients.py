"""Other services prove who they are by a secret that we made, and keep as a digest only."""

from __future__ import annotations

import hmac
import re
import secrets
import time
from collections import OrderedDict
from hashlib import sha256

from msgspec import Struct

from user_service.errors import ClientRejected
from user_service.identity import client_store
from user_service.storage.postgres import Database

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,62}[a-z0-9]")
SECRET_BYTES = 32
# A removed client is refused everywhere after so long.
REMEMBERED_SECONDS = 5.0
MOST_REMEMBERED = 256
NOBODYS_DIGEST = secrets.token_bytes(32)


class ClientCredentials(Struct, frozen=True):
    id: str
    secret: str


def new_secret() -> str:
    """256 random bits, so that a plain digest of them needs no slow hash and no salt."""
    return secrets.token_urlsafe(SECRET_BYTES)


def digest_of(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


class Clients:
    """Verifies credentials; right ones are remembered for some seconds, because other services ask
    with every request of theirs."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._remembered: OrderedDict[bytes, float] = OrderedDict()

    async def require(self, credentials: ClientCredentials | None) -> str:
        """The id of the client; raises ClientRejected, Unavailable."""
        if credentials is None or not NAME.fullmatch(credentials.id):
            raise ClientRejected
        shown = digest_of(credentials.secret)
        key = sha256(credentials.id.encode() + shown).digest()
        if self._remembered.get(key, 0) <= time.monotonic():
            self._remembered.pop(key, None)
            await self._verify(credentials.id, shown)
            self._remember(key)
        return credentials.id

    async def _verify(self, id: str, shown: bytes) -> None:
        async with self._db.connection() as connection:
            kept = await client_store.secret_digest(connection, id)
        # An unknown name costs what a wrong secret costs.
        if not hmac.compare_digest(kept or NOBODYS_DIGEST, shown):
            raise ClientRejected

    def _remember(self, key: bytes) -> None:
        self._remembered[key] = time.monotonic() + REMEMBERED_SECONDS
        if len(self._remembered) > MOST_REMEMBERED:
            self._remembered.popitem(last=False)
