"""GET /.well-known/jwks.json."""

from __future__ import annotations

from litestar import Response, get
from msgspec import Struct

from user_service.errors import Unavailable
from user_service.identity.keyring import Keyring
from user_service.web.injected import Injected
from user_service.web.problems import documented

CACHE_SECONDS = 300


class Jwk(Struct, frozen=True):
    kty: str
    crv: str
    x: str
    y: str
    kid: str
    use: str
    alg: str


class JwkSet(Struct, frozen=True):
    keys: list[Jwk]


@get(
    "/.well-known/jwks.json",
    tags=["Tokens"],
    sync_to_thread=False,
    summary="The public keys that access tokens are checked with",
    responses=documented(Unavailable),
)
def jwks(keyring: Injected[Keyring]) -> Response[JwkSet]:
    keyring.require_ready()
    keys = [Jwk(**key) for key in keyring.jwks()]
    return Response(JwkSet(keys), headers={"cache-control": f"public, max-age={CACHE_SECONDS}"})
