"""Session tokens of Clerk's: JWTs that live for a minute and name one of its users."""

from __future__ import annotations

import re
import time
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from msgspec import UNSET, Struct, UnsetType

from user_service.errors import TokenRejected
from user_service.identity.access_tokens import LONGEST_TOKEN, MALFORMED
from user_service.identity.clerk_keys import PublishedKeys

ALGORITHM = "RS256"
# Never `at+jwt`, which is what our own tokens are.
TYPE = "JWT"
CLOCK_SKEW_SECONDS = 5
REQUIRED = ["iss", "sub", "sid", "iat", "nbf", "exp"]
USER_ID = re.compile(r"user_[A-Za-z0-9_-]{1,123}")


class ClerkClaims(Struct, frozen=True):
    """Whom a verified token is about, as Clerk calls them."""

    user_id: str


class _Header(Struct):
    alg: str
    typ: str = TYPE
    kid: str | None = None
    crit: msgspec.Raw | UnsetType = UNSET


class _Payload(Struct):
    """`azp` is the origin of the page that the token was made for."""

    sub: str
    sid: str
    iat: int
    nbf: int
    exp: int
    azp: str = ""
    sts: str = "active"


_header = msgspec.json.Decoder(_Header)


@dataclass(frozen=True, slots=True)
class ClerkTokens:
    """Verifies tokens of one issuer; `parties` are the origins that they may have been made for,
    and none means any. `keys` are published, or there is one, whatever it is called."""

    keys: PublishedKeys | RSAPublicKey
    issuer: str
    parties: frozenset[str]

    async def verify(self, token: str) -> ClerkClaims:
        """Raises TokenRejected, and Unavailable as long as Clerk's keys could not be read.

        Nothing is remembered: checking RS256 costs little, and the token is soon expired.
        """
        if len(token) > LONGEST_TOKEN:
            raise TokenRejected
        key = await self._key(_kid(token))
        if key is None:
            raise TokenRejected
        payload = self._decode(token, key)
        # Exactly: the leeway is for tokens of a host whose clock is ahead.
        if payload.exp <= time.time() or not USER_ID.fullmatch(payload.sub) or not payload.sid:
            raise TokenRejected
        # A pending session has not done yet what its organisation asks of it.
        if payload.sts != "active" or (self.parties and payload.azp not in self.parties):
            raise TokenRejected
        return ClerkClaims(payload.sub)

    async def _key(self, kid: str | None) -> RSAPublicKey | None:
        if isinstance(self.keys, RSAPublicKey):
            return self.keys
        return None if kid is None else await self.keys.named(kid)

    def _decode(self, token: str, key: RSAPublicKey) -> _Payload:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=self.issuer,
                leeway=CLOCK_SKEW_SECONDS,
                # No audience is expected, so a token for another service is refused.
                options={"require": REQUIRED},
            )
            # Strictly: PyJWT would take a text or a fraction for a moment.
            return msgspec.convert(claims, _Payload)
        except MALFORMED:
            raise TokenRejected from None


def _kid(token: str) -> str | None:
    """The key that a token names; raises TokenRejected for any other token than Clerk makes."""
    head, _, _ = token.partition(".")
    try:
        header = _header.decode(urlsafe_b64decode(head + "=="))
    except MALFORMED:
        raise TokenRejected from None
    if header.alg != ALGORITHM or header.typ != TYPE or header.crit is not UNSET:
        raise TokenRejected
    return header.kid
