"""Reading an access token (RFC 9068) as strictly as the service that signed it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from jwt.types import Options

from gatepost_client.caller import Caller
from gatepost_client.refusals import TokenRejected, UnknownKey

TYPE = "at+jwt"
ALGORITHM = "ES256"
LONGEST_TOKEN = 4096
CLOCK_SKEW_SECONDS = 30
REQUIRED = ["iss", "aud", "sub", "sid", "iat", "exp", "jti"]
CHECKED: Options = {"require": REQUIRED, "strict_aud": True}
# Everything but the signature: good for nothing by itself.
UNSIGNED: Options = {
    **CHECKED,
    "verify_signature": False,
    "verify_aud": True,
    "verify_exp": True,
    "verify_iat": True,
    "verify_iss": True,
    "verify_nbf": True,
}
# Whatever a forged token makes PyJWT or our own reading of it trip over.
MALFORMED = (
    jwt.PyJWTError,
    ArithmeticError,
    AttributeError,
    RecursionError,
    TypeError,
    ValueError,
)

log = logging.getLogger("gatepost_client")

Keys = Mapping[str, EllipticCurvePublicKey]


@dataclass(frozen=True, slots=True)
class TokenRules:
    """`longest` is how many seconds a token may live: what ended it is remembered for so long."""

    issuer: str
    audience: str
    longest: float

    def read(self, token: str, keys: Keys) -> Caller:
        """Who the token speaks for; raises TokenRejected, and UnknownKey for an unknown kid."""
        try:
            key = keys.get(_kid(token))
            if key is None:
                raise UnknownKey
            # A plain key and one algorithm: the token's header chooses neither.
            return self._caller(token, key, CHECKED)
        except MALFORMED:
            raise TokenRejected from None

    def read_unsigned(self, token: str) -> Caller:
        """The same, signature unseen: only `/introspect` can say whether it is worth anything."""
        try:
            _kid(token)
            return self._caller(token, b"", UNSIGNED)
        except MALFORMED:
            raise TokenRejected from None

    def _caller(self, token: str, key: EllipticCurvePublicKey | bytes, options: Options) -> Caller:
        claims = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            issuer=self.issuer,
            audience=self.audience,
            # For a token issued on a host whose clock is ahead; our caller judges `exp` exactly.
            leeway=CLOCK_SKEW_SECONDS,
            options=options,
        )
        return self._judged(
            Caller(
                UUID(_text(claims["sub"])),
                UUID(_text(claims["sid"])),
                _text(claims["jti"]),
                _moment(claims["iat"]),
                _moment(claims["exp"]),
            )
        )

    def _judged(self, caller: Caller) -> Caller:
        if caller.expires_at - caller.issued_at > self.longest:
            log.error("a token lives longer than longest_token=%ds allows", self.longest)
            raise TokenRejected
        return caller


def _kid(token: str) -> str:
    header = jwt.get_unverified_header(token)
    if header.get("typ") != TYPE or "crit" in header:
        raise TokenRejected
    return _text(header.get("kid"))


def _text(claim: Any) -> str:
    if type(claim) is not str or not claim:
        raise TokenRejected
    return claim


def _moment(claim: Any) -> int:
    # PyJWT would take a text or a fraction as well; other readers of such a token may not.
    if type(claim) is not int:
        raise TokenRejected
    return claim
