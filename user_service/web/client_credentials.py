"""Another service's credentials by HTTP Basic."""

from __future__ import annotations

from base64 import b64decode
from urllib.parse import unquote_plus

from user_service.identity.clients import ClientCredentials

SCHEME = b"basic"
CHALLENGE = 'Basic realm="gatepost", charset="UTF-8"'
# How the OpenAPI file says that an operation needs them.
CLIENT: list[dict[str, list[str]]] = [{"client": []}]


def basic_credentials(header: bytes) -> ClientCredentials | None:
    """What an Authorization header says, or None for any other one."""
    scheme, _, encoded = header.partition(b" ")
    try:
        id, colon, secret = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        return None
    if scheme.lower() != SCHEME or not colon:
        return None
    # RFC 6749 §2.3.1: both are written as in a form before they are joined.
    return ClientCredentials(unquote_plus(id), unquote_plus(secret))
