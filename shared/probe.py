"""A small HTTP server by which daemons tell how they are: health, readiness and metrics."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

CHECK_SECONDS = 2.0
FRESH_SECONDS = 1.0

# Returns None when the part is well, else one sentence that says what is wrong with it.
Check = Callable[[], Awaitable[str | None]]


@dataclass(slots=True)
class Probe:
    """What a daemon shows of itself. It is ready when all parts named in `needed` are well.

    The parts are asked once a second at most: a probe must not multiply anybody's questions.
    Outside development the metrics are hidden unless a token guards them: counters tell.
    """

    parts: Mapping[str, Check]
    needed: frozenset[str]
    registry: CollectorRegistry
    metrics_token: str
    development: bool
    _troubles: dict[str, str | None] = field(default_factory=dict)
    _asked_at: float = float("-inf")
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def serve(self, host: str, port: int) -> AsyncIterator[int]:
        """Answer on `host` and `port`, 0 for a free one; yields the port."""
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()

    def _app(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.get("/health", self._health),
                web.get("/health/live", self._live),
                web.get("/health/ready", self._ready),
                web.get("/metrics", self._metrics),
            ]
        )
        return app

    async def _health(self, _request: web.Request) -> web.Response:
        troubles = await self._look()
        status = "ok" if not any(troubles.values()) else "degraded"
        parts = {name: trouble or "ok" for name, trouble in troubles.items()}
        return _json({"status": status, "parts": parts})

    async def _live(self, _request: web.Request) -> web.Response:
        return _json({"status": "ok"})

    async def _ready(self, _request: web.Request) -> web.Response:
        found = (await self._look()).items()
        troubles = {name: trouble for name, trouble in found if trouble and name in self.needed}
        if troubles:
            return _json({"status": "unavailable", "parts": troubles}, status=503)
        return _json({"status": "ok"})

    async def _metrics(self, request: web.Request) -> web.Response:
        if not self.metrics_token and not self.development:
            raise web.HTTPNotFound
        expected = f"Bearer {self.metrics_token}".encode()
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if self.metrics_token and not hmac.compare_digest(given, expected):
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})
        body = generate_latest(self.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _look(self) -> dict[str, str | None]:
        async with self._asking:
            if time.monotonic() - self._asked_at > FRESH_SECONDS:
                troubles = await asyncio.gather(*map(_trouble, self.parts.values()))
                self._troubles = dict(zip(self.parts, troubles, strict=True))
                self._asked_at = time.monotonic()
        return self._troubles


async def _trouble(check: Check) -> str | None:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check()
    except TimeoutError:
        return "no answer in time"
    except Exception as error:  # a probe must answer whatever a part does
        return f"{type(error).__name__}: {error}"


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body), status=status, content_type="application/json"
    )
