"""Access tokens: signed JWTs (RFC 9068) that name an account and its session."""

from __future__ import annotations

import secrets
import time
from base64 import urlsafe_b64decode
from collections import OrderedDict
from hashlib import sha256
from uuid import UUID

import jwt
import msgspec
from msgspec import Struct

from user_service.errors import TokenRejected
from user_service.identity.keyring import Keyring

TYPE = "at+jwt"
LONGEST_TOKEN = 4096
CLOCK_SKEW_SECONDS = 30
MOST_REMEMBERED = 20_000
# Whatever a forged token makes PyJWT or our own reading of it trip over.
MALFORMED = (
    jwt.PyJWTError,
    ArithmeticError,
    AttributeError,
    RecursionError,
    TypeError,
    ValueError,
)
REQUIRED = ["iss", "aud", "sub", "sid", "iat", "exp", "jti"]


class Claims(Struct, frozen=True):
    """What a verified token says; both moments are in seconds since 1970."""

    subject: UUID
    session: UUID
    issued_at: int
    expires_at: int
    token_id: str


class _Header(Struct):
    typ: str = ""


_header = msgspec.json.Decoder(_Header)


def says_to_be_ours(token: str) -> bool:
    """By its header alone, which chooses the verifier and proves nothing; raises TokenRejected for
    one that is too long to be read."""
    if len(token) > LONGEST_TOKEN:
        raise TokenRejected
    head, _, _ = token.partition(".")
    try:
        return _header.decode(urlsafe_b64decode(head + "==")).typ == TYPE
    except MALFORMED:
        return False


class AccessTokens:
    """Issues and verifies tokens of one keyring; `lifetime` is in seconds."""

    def __init__(self, keyring: Keyring, issuer: str, audience: str, lifetime: int) -> None:
        self._keyring = keyring
        self.issuer = issuer
        self.audience = audience
        self.lifetime = lifetime
        self._remembered: OrderedDict[bytes, Claims] = OrderedDict()
        self._generation = keyring.generation

    def require_ready(self) -> None:
        """Raise Unavailable while there is no key to sign with."""
        self._keyring.require_ready()

    def issue(self, subject: UUID, session: UUID) -> str:
        self.require_ready()
        ring = self._keyring
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": str(subject),
            "sid": str(session),
            "iat": now,
            "exp": now + self.lifetime,
            "jti": secrets.token_urlsafe(12),
        }
        headers = {"kid": ring.kid, "typ": TYPE}
        return jwt.encode(claims, ring.signing, algorithm=ring.algorithm, headers=headers)

    def verify(self, token: str) -> Claims:
        """The claims of a token of ours; raises TokenRejected.

        Verified tokens are remembered by their digest until they expire, because an ES256 check
        costs more than the rest of a request.
        """
        if len(token) > LONGEST_TOKEN:
            raise TokenRejected
        self.require_ready()
        if self._generation != self._keyring.generation:
            self._remembered.clear()
            self._generation = self._keyring.generation
        digest = sha256(token.encode("utf-8", "replace")).digest()
        claims = self._remembered.get(digest)
        if claims is None:
            claims = self._decode(token)
            self._remember(digest, claims)
        if claims.expires_at <= time.time():
            self._remembered.pop(digest, None)
            raise TokenRejected
        return claims

    def _remember(self, digest: bytes, claims: Claims) -> None:
        self._remembered[digest] = claims
        if len(self._remembered) > MOST_REMEMBERED:
            self._remembered.popitem(last=False)

    def _decode(self, token: str) -> Claims:
        try:
            header = jwt.get_unverified_header(token)
            # The kid is a key of our own map and nothing else; the header chooses no algorithm.
            key = self._keyring.verifier(header.get("kid", ""))
            if key is None or header.get("typ") != TYPE or "crit" in header:
                raise TokenRejected
            claims = jwt.decode(
                token,
                key,
                algorithms=[self._keyring.algorithm],
                issuer=self.issuer,
                audience=self.audience,
                # For a token issued on a host whose clock is ahead; `verify` judges `exp` exactly.
                leeway=CLOCK_SKEW_SECONDS,
                options={"require": REQUIRED, "strict_aud": True},
            )
            # PyJWT would take a text or a fraction as well; other readers of our tokens may not.
            if type(claims["exp"]) is not int:
                raise TokenRejected
            return Claims(
                UUID(claims["sub"]),
                UUID(claims["sid"]),
                int(claims["iat"]),
                claims["exp"],
                claims["jti"],
            )
        except MALFORMED:
            raise TokenRejected from None
