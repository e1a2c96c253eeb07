"""GET /.well-known/jwks.json and /.well-known/oauth-authorization-server."""

from __future__ import annotations

from litestar import Response, get
from msgspec import Struct

from user_service.errors import Unavailable
from user_service.identity.access_tokens import AccessTokens
from user_service.identity.keyring import Keyring
from user_service.web.injected import Injected
from user_service.web.problems import documented

# A rotated key is published for longer than this before it signs: see identity.key_rotation.
CACHED = {"cache-control": "public, max-age=300"}
BY_SECRET = ("client_secret_basic", "client_secret_post")


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


class ServerMetadata(Struct, frozen=True):
    """RFC 8414 §2."""

    issuer: str
    token_endpoint: str
    jwks_uri: str
    introspection_endpoint: str
    revocation_endpoint: str
    service_documentation: str
    response_types_supported: tuple[str, ...] = ()
    grant_types_supported: tuple[str, ...] = ("password", "refresh_token")
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("none",)
    introspection_endpoint_auth_methods_supported: tuple[str, ...] = BY_SECRET
    revocation_endpoint_auth_methods_supported: tuple[str, ...] = BY_SECRET


@get(
    "/.well-known/jwks.json",
    tags=["Tokens"],
    sync_to_thread=False,
    summary="Read the public keys that access tokens are checked with (RFC 7517)",
    responses=documented(Unavailable),
)
def jwks(keyring: Injected[Keyring]) -> Response[JwkSet]:
    keyring.require_ready()
    keys = [Jwk(**key) for key in keyring.jwks()]
    return Response(JwkSet(keys), headers=CACHED)


@get(
    "/.well-known/oauth-authorization-server",
    tags=["Tokens"],
    sync_to_thread=False,
    summary="Read where everything is, for OAuth 2.0 libraries (RFC 8414)",
)
def metadata(tokens: Injected[AccessTokens]) -> Response[ServerMetadata]:
    base = tokens.issuer
    answer = ServerMetadata(
        issuer=base,
        token_endpoint=f"{base}/token",
        jwks_uri=f"{base}/.well-known/jwks.json",
        introspection_endpoint=f"{base}/introspect",
        revocation_endpoint=f"{base}/revoke",
        service_documentation=f"{base}/docs",
    )
    return Response(answer, headers=CACHED)
