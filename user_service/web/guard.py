"""Who calls: handlers that need a person begin with `claims_of`."""

from __future__ import annotations

from user_service.errors import TokenRejected
from user_service.identity.access_tokens import AccessTokens, Claims, says_to_be_ours
from user_service.identity.clerk_tokens import ClerkClaims, ClerkTokens
from user_service.web.exchange import AnyRequest, Exchange, exchange_of

# How the OpenAPI file says that an operation needs an access token.
# Alternatives: a token that one has, or one that the docs page gets by the password.
BEARER: list[dict[str, list[str]]] = [{"access_token": []}, {"password": []}]


def claims_of(request: AnyRequest) -> Claims:
    """What the bearer token of the request says; raises TokenRejected.

    A function and no Litestar guard: those copy the whole handler at every request.
    """
    exchange = exchange_of(request)
    tokens: AccessTokens = request.app.state.access_tokens
    claims = tokens.verify(_bearer(exchange))
    exchange.subject = str(claims.subject)
    return claims


async def reader_of(request: AnyRequest) -> Claims | ClerkClaims:
    """The same, or what a session token of Clerk's says: good for reading, and for nothing else.

    Raises Unavailable while it cannot be checked.
    """
    clerk_tokens: ClerkTokens | None = request.app.state.clerk_tokens
    if clerk_tokens is None:
        return claims_of(request)
    exchange = exchange_of(request)
    token = _bearer(exchange)
    if says_to_be_ours(token):
        return claims_of(request)
    claims = await clerk_tokens.verify(token)
    exchange.subject = claims.user_id
    return claims


def _bearer(exchange: Exchange) -> str:
    scheme, _, token = exchange.headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"bearer" or not token.isascii():
        raise TokenRejected
    return token.strip().decode()
