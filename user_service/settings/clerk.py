"""What is known of Clerk, where it keeps users beside this service."""

from __future__ import annotations

from base64 import b64decode

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from msgspec import Struct

from shared.env import Environment

SECRET_PREFIX = "whsec_"  # noqa: S105
LEAST_SECRET_BYTES = 24
LEAST_RSA_BITS = 2048


class ClerkSettings(Struct, frozen=True, kw_only=True):
    """`webhook_keys` is empty: no webhooks. `issuer` is empty: no session tokens of Clerk's.

    Their keys are at `jwks_url`, or there is one, `public_key`. `parties` are the origins whose
    pages may use them; none: any.
    """

    webhook_keys: tuple[bytes, ...] = ()
    issuer: str = ""
    jwks_url: str = ""
    public_key: RSAPublicKey | None = None
    parties: tuple[str, ...] = ()

    @classmethod
    def read(cls, env: Environment) -> ClerkSettings:
        settings = cls(
            webhook_keys=_webhook_keys(env),
            issuer=_issuer(env),
            jwks_url=_https(env, "CLERK_JWKS_URL"),
            public_key=_public_key(env),
            parties=env.items("CLERK_AUTHORIZED_PARTIES"),
        )
        keys = bool(settings.jwks_url) + (settings.public_key is not None)
        if settings.issuer and keys != 1:
            env.problem("CLERK_ISSUER needs one of CLERK_JWKS_URL and CLERK_JWT_KEY, and not both.")
        elif keys and not settings.issuer:
            env.problem("CLERK_JWKS_URL and CLERK_JWT_KEY mean nothing without CLERK_ISSUER.")
        return settings


def _webhook_keys(env: Environment) -> tuple[bytes, ...]:
    listed = env.secret("CLERK_WEBHOOK_SECRETS", "").split(",")
    secrets = [secret.strip() for secret in listed if secret.strip()]
    keys = tuple(_decoded(secret) for secret in secrets)
    if any(len(key) < LEAST_SECRET_BYTES for key in keys):
        env.problem("CLERK_WEBHOOK_SECRETS must hold the signing secrets of Clerk's page: whsec_…")
    return keys


def _decoded(secret: str) -> bytes:
    try:
        prefixed = secret.startswith(SECRET_PREFIX)
        return b64decode(secret.removeprefix(SECRET_PREFIX), validate=True) if prefixed else b""
    except ValueError:
        return b""


def _issuer(env: Environment) -> str:
    issuer = _https(env, "CLERK_ISSUER")
    if issuer.endswith("/"):
        env.problem("CLERK_ISSUER ends without a slash: it is compared letter by letter.")
    return issuer


def _https(env: Environment, name: str) -> str:
    url = env.text(name, "")
    parts = env.parts_of(name, url)
    schemes = ("https", "http") if env.development else ("https",)
    if url and (parts.scheme not in schemes or not parts.hostname):
        env.problem(f"{name} must read https://clerk.example.org…")
    return url


def _public_key(env: Environment) -> RSAPublicKey | None:
    pem = env.secret("CLERK_JWT_KEY", "")
    if not pem:
        return None
    try:
        # In a variable the lines of a PEM are often written with \n between them.
        key = load_pem_public_key(pem.replace("\\n", "\n").encode())
    except ValueError:
        key = None
    if not isinstance(key, RSAPublicKey) or key.key_size < LEAST_RSA_BITS:
        env.problem(f"CLERK_JWT_KEY is no RSA public key in PEM of {LEAST_RSA_BITS} bits or more.")
        return None
    return key
