"""The outermost layer: what holds for every request, whatever it asks for.

A deadline for the whole of it, no foreign origin, JSON only, the same headers on every answer, one
log line and one measurement.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from user_service.errors import (
    NotForm,
    NotJson,
    OriginRefused,
    Refusal,
    TargetTooLong,
    Unavailable,
)
from user_service.web.access_log import AccessLog
from user_service.web.client_address import ClientAddress
from user_service.web.exchange import SCOPE_KEY, Exchange
from user_service.web.problems import MEDIA_TYPE, problem

DEADLINE_SECONDS = 2.8
MOST_TARGET = 2048
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}

# Where an RFC demands a form. Such a path must not do anything by a cookie.
FORM_PATHS = {"/token", "/introspect", "/revoke"}

# Whatever is wrong with a webhook, its sender reads one and the same refusal. The second name is
# what applications that leave Clerk's examples as they are have at Clerk already.
WEBHOOK_PATHS = {"/webhooks/clerk", "/api/webhook/clerk"}

HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
HSTS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


@dataclass(frozen=True, slots=True)
class Edge:
    """An ASGI application around `app`.

    Pages may call from `origins`: our own, and the `listed_origins`, which read answers by CORS.
    """

    app: ASGIApp
    clients: ClientAddress
    origins: frozenset[bytes]
    listed_origins: frozenset[bytes]
    https: bool
    access_log: AccessLog

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        exchange = Exchange.begin(self.clients.of(scope), scope["headers"], https=self.https)
        scope[SCOPE_KEY] = exchange  # type: ignore[literal-required]

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                message["headers"] = self._headers(message["headers"], exchange)
            await send(message)

        try:
            await self._within_deadline(scope, exchange, receive, answer)
        finally:
            self.access_log.write(scope, exchange, time.perf_counter() - began)

    async def _within_deadline(
        self, scope: HTTPScope, exchange: Exchange, receive: Receive, answer: Send
    ) -> None:
        if refusal := self._refusal(scope, exchange):
            await _refuse(refusal, exchange, answer)
            return
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await self.app(scope, receive, answer)
        except TimeoutError:
            if not exchange.status:
                await _refuse(Unavailable("deadline"), exchange, answer)

    def _refusal(self, scope: HTTPScope, exchange: Exchange) -> Refusal | None:
        # Litestar keeps what it has read of a thousand paths and queries, whoever sent them.
        if len(scope["path"]) + len(scope["query_string"]) > MOST_TARGET:
            return TargetTooLong()
        if scope["method"] in SAFE_METHODS:
            return None
        origin = exchange.headers.get(b"origin")
        if origin is not None and origin not in self.origins:
            return OriginRefused()  # a cross-site form must not plant a registration
        media_type = exchange.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        # Litestar takes a path with a slash at its end for the same one.
        path = scope["path"].rstrip("/")
        if path in FORM_PATHS:
            return None if media_type == b"application/x-www-form-urlencoded" else NotForm()
        if media_type == b"application/json" or path in WEBHOOK_PATHS or _has_no_body(exchange):
            return None
        return NotJson()

    def _headers(
        self, given: Iterable[tuple[bytes, bytes]], exchange: Exchange
    ) -> list[tuple[bytes, bytes]]:
        headers = list(given)
        names = {name for name, _ in headers}
        headers += [header for header in HEADERS if header[0] not in names]
        if self.https:
            headers.append(HSTS)
        # What this layer refuses by itself, a page of a listed origin must be able to read too.
        origin = exchange.headers.get(b"origin")
        if origin in self.listed_origins and b"access-control-allow-origin" not in names:
            headers += [(b"access-control-allow-origin", origin), (b"vary", b"Origin")]
        headers.append((b"x-request-id", exchange.request_id.encode()))
        return headers


def _has_no_body(exchange: Exchange) -> bool:
    length = exchange.headers.get(b"content-length", b"0")
    return length == b"0" and b"transfer-encoding" not in exchange.headers


async def _refuse(refusal: Refusal, exchange: Exchange, answer: Send) -> None:
    body, headers = problem(refusal, exchange)
    headers |= {"content-type": MEDIA_TYPE, "content-length": str(len(body))}
    await answer(
        {
            "type": "http.response.start",
            "status": refusal.status,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
    )
    await answer({"type": "http.response.body", "body": body, "more_body": False})
