"""Refresh tokens: `session id, generation, secret` under a MAC.

Postgres keeps one row for each session, with the generation that is live and a digest of the
secret. A refresh raises the generation in a single statement; whoever shows an older one replays,
however long ago it was spent. The MAC refuses forged tokens before anybody asks Postgres.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import b64decode, urlsafe_b64encode
from hashlib import sha256
from uuid import UUID

from msgspec import Struct

from user_service.errors import RefreshTokenRejected

SECRET_BYTES = 32
GENERATION_BYTES = 4
MAC_BYTES = 32
TOKEN_BYTES = 16 + GENERATION_BYTES + SECRET_BYTES + MAC_BYTES
# A multiple of three bytes, so that base64 needs no padding and has one spelling.
TOKEN_CHARACTERS = TOKEN_BYTES * 4 // 3


class RefreshToken(Struct, frozen=True):
    """What a token says that its MAC vouches for."""

    session: UUID
    generation: int
    secret: bytes

    @property
    def digest(self) -> bytes:
        """What is kept of the secret, which is the same for a whole session."""
        return sha256(self.secret).digest()

    @property
    def successor(self) -> RefreshToken:
        return RefreshToken(self.session, self.generation + 1, self.secret)


class RefreshTokens:
    """Writes and reads tokens under one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def write(self, token: RefreshToken) -> str:
        body = token.session.bytes + token.generation.to_bytes(GENERATION_BYTES) + token.secret
        return urlsafe_b64encode(body + self._mac(body)).decode()

    def read(self, text: str) -> RefreshToken:
        """Raises RefreshTokenRejected unless we wrote it, letter by letter."""
        try:
            raw = b64decode(text, altchars=b"-_", validate=True)
        except ValueError:
            raise RefreshTokenRejected from None
        body, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
        if len(raw) != TOKEN_BYTES or not hmac.compare_digest(mac, self._mac(body)):
            raise RefreshTokenRejected
        generation = int.from_bytes(body[16 : 16 + GENERATION_BYTES])
        return RefreshToken(UUID(bytes=body[:16]), generation, body[16 + GENERATION_BYTES :])

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, sha256)


def new_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)
