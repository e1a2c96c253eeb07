"""A walkthrough that fails says what is not well."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from rich.console import Console

from dev_stack import walkthrough
from dev_stack.ports import free_port

pytestmark = pytest.mark.anyio


async def register(_request: web.Request) -> web.Response:
    return web.json_response({"code": "unavailable", "detail": "Try later."}, status=503)


async def health(_request: web.Request) -> web.Response:
    parts = {"postgres": "up", "migrations": "applied", "redis": "down", "kafka": "down"}
    return web.json_response({"status": "degraded", "parts": parts})


async def test_parts_that_are_not_well_are_named() -> None:
    app = web.Application()
    app.router.add_post("/api/auth/register", register)
    app.router.add_get("/health", health)
    async with TestServer(app) as server:
        with pytest.raises(walkthrough.WalkthroughFailed) as failure:
            await walkthrough.walk(f"http://127.0.0.1:{server.port}", "", Console(quiet=True))
    assert str(failure.value).splitlines() == [
        "/api/auth/register answered 503 unavailable: Try later.",
        "Not well: redis is down, kafka is down.",
    ]


async def test_service_that_does_not_answer_is_no_traceback() -> None:
    with pytest.raises(walkthrough.WalkthroughFailed, match="does not tell its health either"):
        await walkthrough.walk(f"http://127.0.0.1:{free_port()}", "", Console(quiet=True))
