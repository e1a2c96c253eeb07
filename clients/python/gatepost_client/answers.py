"""Refusals as ASGI messages: RFC 9457 over HTTP, a close code where a socket can carry no more."""

from __future__ import annotations

import json

from gatepost_client.asgi import Receive, Scope, Send
from gatepost_client.refusals import Refused

# Servers that can answer a handshake with more than 403 say so.
ANSWERS_HANDSHAKES = "websocket.http.response"


async def refuse_request(send: Send, refusal: Refused) -> None:
    await _answer(send, "http.response", refusal)


async def refuse_handshake(scope: Scope, receive: Receive, send: Send, refusal: Refused) -> None:
    await receive()
    if ANSWERS_HANDSHAKES in (scope.get("extensions") or {}):
        await _answer(send, ANSWERS_HANDSHAKES, refusal)
    else:
        await send({"type": "websocket.close", "code": refusal.close_code})


async def _answer(send: Send, kind: str, refusal: Refused) -> None:
    body = json.dumps(
        {
            "type": f"urn:gatepost:problem:{refusal.code}",
            "title": refusal.title,
            "status": refusal.status,
            "detail": refusal.detail,
            "code": refusal.code,
        }
    ).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if refusal.challenge is not None:
        headers.append((b"www-authenticate", refusal.challenge.encode()))
    if refusal.retry_after is not None:
        headers.append((b"retry-after", str(refusal.retry_after).encode()))
    await send({"type": f"{kind}.start", "status": refusal.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})
