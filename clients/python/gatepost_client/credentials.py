"""The token in a request or a handshake, which is never looked for in an address.

Addresses end up in logs, histories and referrers. A browser cannot set headers on a WebSocket, so
that it sends the token as a subprotocol: `new WebSocket(url, ["bearer", token])`.
"""

from __future__ import annotations

from gatepost_client.asgi import Scope
from gatepost_client.refusals import TokenRejected

PROTOCOL = "bearer"
PROTOCOL_HEADER = b"sec-websocket-protocol"


def bearer_token(scope: Scope) -> str | None:
    """The token of the Authorization header, if there is one; raises TokenRejected for several."""
    sent = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
    if len(sent) > 1:
        raise TokenRejected
    scheme, _, token = sent[0].partition(b" ") if sent else (b"", b"", b"")
    if scheme.lower() != b"bearer":
        return None
    return _text(token.strip())


def protocol_token(scope: Scope) -> str | None:
    """The token among the subprotocols that a browser offers; raises TokenRejected."""
    offered = list(scope.get("subprotocols") or ())
    if PROTOCOL not in offered:
        return None
    token = offered[offered.index(PROTOCOL) + 1 :][:1]
    if not token:
        raise TokenRejected
    return _text(token[0].encode("utf-8", "replace"))


def without_token(scope: Scope) -> Scope:
    """The handshake as the application sees it: it must not log the token, nor choose it."""
    offered = list(scope["subprotocols"])
    place = offered.index(PROTOCOL)
    left = offered[:place] + offered[place + 2 :]
    headers = [(name, value) for name, value in scope["headers"] if name != PROTOCOL_HEADER]
    if left:
        headers.append((PROTOCOL_HEADER, ", ".join(left).encode()))
    return {**scope, "subprotocols": left, "headers": headers}


def _text(token: bytes) -> str:
    if not token.isascii():
        raise TokenRejected
    return token.decode()
