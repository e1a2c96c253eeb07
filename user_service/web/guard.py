"""Who calls: handlers that need a person begin with `claims_of`."""

from __future__ import annotations

from user_service.errors import TokenRejected
from user_service.identity.access_tokens import AccessTokens, Claims
from user_service.web.exchange import AnyRequest, exchange_of

# How the OpenAPI file says that an operation needs an access token.
# Alternatives: a token that one has, or one that the docs page gets by the password.
BEARER: list[dict[str, list[str]]] = [{"access_token": []}, {"password": []}]


def claims_of(request: AnyRequest) -> Claims:
    """What the bearer token of the request says; raises TokenRejected.

    A function and no Litestar guard: those copy the whole handler at every request.
    """
    exchange = exchange_of(request)
    tokens: AccessTokens = request.app.state.access_tokens
    scheme, _, token = exchange.headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"bearer" or not token.isascii():
        raise TokenRejected
    claims = tokens.verify(token.strip().decode())
    exchange.subject = str(claims.subject)
    return claims
