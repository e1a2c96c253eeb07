"""A real Chromium, and what goes wrong or abroad in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, async_playwright

CHROMIUM = shutil.which("chromium")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


class Watched:
    """A page, and every error and request of it so far."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        self.urls: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        page.on("request", lambda request: self.urls.append(request.url))

    @classmethod
    @asynccontextmanager
    async def opened(cls, browser: Browser) -> AsyncIterator[Watched]:
        """A page that shares nothing with others of the browser."""
        context = await browser.new_context()
        context.set_default_timeout(10_000)
        yield cls(await context.new_page())
        await context.close()

    @property
    def hosts(self) -> set[str | None]:
        return {urlsplit(url).hostname for url in self.urls}


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Skips the test where there is none, but never in the gate."""
    if CHROMIUM is None and os.environ.get("CI") != "true":
        pytest.skip("needs Debian's chromium; the gate installs it")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        await browser.close()
