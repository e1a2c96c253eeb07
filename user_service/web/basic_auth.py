"""Another service's credentials by HTTP Basic."""

from __future__ import annotations

from base64 import b64decode
from urllib.parse import unquote_plus

from user_service.identity.clients import ClientCredentials

SCHEME = b"basic"
CHALLENGE = 'Basic realm="gatepost", charset="UTF-8"'
# How the OpenAPI file says that an operation needs them.
BASIC: list[dict[str, list[str]]] = [{"client": []}]


def is_basic(header: bytes) -> bool:
    """Whether an Authorization header is of this kind, right or wrong."""
    return header.partition(b" ")[0].lower() == SCHEME


def basic_credentials(header: bytes) -> ClientCredentials | None:
    """What an Authorization header says, or None for any other one."""
    encoded = header.partition(b" ")[2]
    try:
        id, colon, secret = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        return None
    if not is_basic(header) or not colon:
        return None
    # RFC 6749 §2.3.1: both are written as in a form before they are joined.
    return ClientCredentials(unquote_plus(id), unquote_plus(secret))
