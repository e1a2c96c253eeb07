"""The pages that people look at, in a real browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import aiohttp
import pytest
from playwright.async_api import Page, async_playwright

from dev_stack.mail_stand_in import MailStandIn
from tests.service_process import ServiceProcess

pytestmark = pytest.mark.anyio

CHROMIUM = shutil.which("chromium")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


class Watched:
    """A page, and what went wrong or abroad while it was open."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        self.hosts: set[str | None] = set()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).hostname))


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    if CHROMIUM is None and os.environ.get("CI") != "true":
        pytest.skip("needs Debian's chromium; the gate installs it")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield Watched(await browser.new_page())
        await browser.close()


async def test_the_docs_page_shows_every_operation_with_scripts_of_this_server_only(
    service: ServiceProcess, watched: Watched
) -> None:
    await watched.page.goto(f"http://localhost:{service.port}/docs")
    register = watched.page.locator(".opblock-summary", has_text="/api/auth/register")
    await register.click()
    example = watched.page.locator(".body-param__text")
    assert "ann@example.org" in await example.input_value()
    assert await watched.page.locator(".opblock").count() >= 9
    assert watched.hosts == {"localhost"}
    assert watched.errors == []


async def test_the_mailbox_page_shows_a_mail_with_its_code(watched: Watched) -> None:
    mail = {
        "personalizations": [{"to": [{"email": "ann@example.org"}]}],
        "from": {"email": "no-reply@gatepost.example"},
        "subject": "Your code <b>is</b> here",
        "content": [
            {"type": "text/plain", "value": "Your code: 204518"},
            {"type": "text/html", "value": "<p>Your code: 204518<script>alert(1)</script></p>"},
        ],
    }
    async with MailStandIn(key="SG.key") as sendgrid:
        headers = {"authorization": "Bearer SG.key"}
        async with aiohttp.ClientSession(headers=headers) as session:
            answer = await session.post(f"{sendgrid.url}/v3/mail/send", json=mail)
            assert answer.status == 202
        await watched.page.goto(sendgrid.url)
        await watched.page.get_by_text("Your code <b>is</b> here").first.click()
        await watched.page.get_by_text("204518").first.wait_for()
    assert watched.hosts <= {urlsplit(sendgrid.url).hostname, None}
