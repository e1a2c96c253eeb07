"""Tabs of one browser, and the refresh tokens that they present."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

from playwright.async_api import BrowserContext, Page, Request, Route

# What the README advises against, but allows.
SHARED_CLIENT = """async (baseUrl) => {
    const { GatepostClient } = await import("/lib/client/index.js");
    const set = (what, value) =>
        value === null ? localStorage.removeItem(what) : localStorage.setItem(what, value);
    const store = { get: (what) => localStorage.getItem(what), set };
    window.client = new GatepostClient({ baseUrl, store });
}"""
MEETING_SECONDS = 0.5


async def share_a_store(page: Page, service_url: str) -> None:
    """Give the page a `client` whose store is every tab's."""
    await page.evaluate(SHARED_CLIENT, service_url)


@dataclass
class RefreshTokens:
    """What the pages of a browser have presented, in order."""

    presented: list[str] = field(default_factory=list)
    met: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def watched(cls, context: BrowserContext) -> RefreshTokens:
        tokens = cls()
        context.on("request", tokens._note)
        return tokens

    def _note(self, request: Request) -> None:
        if request.method == "POST" and request.url.endswith("/api/auth/refresh"):
            self.presented.append(json.loads(request.post_data or "")["refresh_token"])

    async def let_two_meet(self, route: Route) -> None:
        """Hold a refresh for a moment, in which another tab could begin its own."""
        if len(self.presented) > 1:
            self.met.set()
        try:
            async with asyncio.timeout(MEETING_SECONDS):
                await self.met.wait()
        except TimeoutError:
            self.met.set()
        await route.continue_()
