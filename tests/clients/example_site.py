"""The example of clients/react, built and served as a frontend is: from an origin of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from dev_stack.ports import free_port

PACKAGE = Path(__file__).parents[2] / "clients" / "react"
# As strict as a frontend's own may be: no inline script or style, requests to this machine only.
POLICY = "default-src 'self'; connect-src 'self' http://localhost:*; img-src data:"


def build(folder: Path) -> None:
    """The library into `folder`/lib and the example beside it; skips where there is no Node."""
    if shutil.which("npm") is None and os.environ.get("CI") != "true":
        pytest.skip("needs Node.js 20 or newer with npm")
    if not (PACKAGE / "node_modules").exists():
        _run("npm", "ci", "--no-audit", "--no-fund")
    vite = str(PACKAGE / "node_modules" / ".bin" / "vite")
    _run(vite, "build", "example", "--outDir", str(folder), "--emptyOutDir")
    _run(vite, "build", "--outDir", str(folder / "lib"))


def _run(*command: str) -> None:
    done = subprocess.run(command, cwd=PACKAGE, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass
class ExampleSite:
    """`settings` is what the pages read about where their services answer."""

    folder: Path
    port: int = field(default_factory=free_port)
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @asynccontextmanager
    async def served(self) -> AsyncIterator[ExampleSite]:
        app = web.Application(middlewares=[_strict])
        app.router.add_get("/settings.json", self._settings)
        app.router.add_get("/blank", self._blank)
        app.router.add_get("/", self._index)
        app.router.add_static("/", self.folder)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        yield self
        await runner.cleanup()

    async def _settings(self, _request: web.Request) -> web.Response:
        return web.json_response(self.settings)

    async def _blank(self, _request: web.Request) -> web.Response:
        page = "<!doctype html><link rel=icon href=data:,>"
        return web.Response(text=page, content_type="text/html")

    async def _index(self, _request: web.Request) -> web.FileResponse:
        return web.FileResponse(self.folder / "index.html")


@web.middleware
async def _strict(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    response = await handler(request)
    response.headers["content-security-policy"] = POLICY
    return response
