"""Who calls: the access token of a request."""

from __future__ import annotations

from dataclasses import dataclass

from user_service.errors import TokenRejected
from user_service.identity.access_tokens import AccessTokens, Claims
from user_service.web.exchange import Exchange


@dataclass(frozen=True, slots=True)
class Guard:
    tokens: AccessTokens

    def claims(self, exchange: Exchange) -> Claims:
        """What the bearer token says; raises TokenRejected."""
        scheme, _, token = exchange.headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not token.isascii():
            raise TokenRejected
        claims = self.tokens.verify(token.strip().decode())
        exchange.subject = claims.subject
        return claims
