"""The example pages of clients/react, in a real Chromium against the running service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext, Locator, Page, Request, Route

from tests.browser import Watched, chromium
from tests.clients.example_site import ExampleSite, build
from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person, member, wrong
from tests.service_process import ServiceProcess
from tests.system.stack import Stack

pytestmark = pytest.mark.anyio

STORED = "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
# A store that all tabs share, and a client of it: what the README advises against, but allows.
SHARED_CLIENT = """async (baseUrl) => {
    const { GatepostClient } = await import("/lib/client/index.js");
    const set = (what, value) =>
        value === null ? localStorage.removeItem(what) : localStorage.setItem(what, value);
    const store = { get: (what) => localStorage.getItem(what), set };
    window.client = new GatepostClient({ baseUrl, store });
}"""


@pytest.fixture(scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ExampleSite]:
    folder = tmp_path_factory.mktemp("example")
    await asyncio.to_thread(build, folder)
    async with ExampleSite(folder).served() as site:
        yield site


@pytest.fixture(scope="module")
async def stack(
    corner: Corner, site: ExampleSite, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    """Everything, with a service that the example's origin may call."""
    with ServiceProcess.started(corner.variables, CORS_ORIGINS=site.url) as service:
        site.settings["gatepost"] = f"http://localhost:{service.port}"
        logs = tmp_path_factory.mktemp("logs")
        async with Stack.started(corner, service, logs) as stack:
            yield stack


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def watched(browser: Browser) -> AsyncIterator[Watched]:
    async with Watched.opened(browser) as watched:
        yield watched


async def send(page: Page, title: str, **entered: str) -> None:
    """Fill in the form of this title by its labels, and send it."""
    form = page.get_by_role("form", name=title)
    for label, text in entered.items():
        await form.get_by_label(label.replace("_", " "), exact=True).fill(text)
    await form.get_by_role("button", name=title).click()


def profile(page: Page) -> Locator:
    return page.get_by_label("Profile")


async def begin(page: Page, person: Person, stack: Stack) -> str:
    """Register on the page; the code of the mail."""
    await send(page, "Register", Name=person.name, Email=person.email, New_password=person.password)
    await page.get_by_text("A code is on its way").wait_for()
    code = (await stack.mail_to(person)).code
    assert code is not None
    return code


async def enter(page: Page, person: Person) -> None:
    await send(page, "Log in", Email=person.email, Password=person.password)
    await profile(page).wait_for()


async def test_a_person_registers_logs_in_reloads_and_logs_out(
    site: ExampleSite, stack: Stack, watched: Watched
) -> None:
    person, page = Person(), watched.page
    await page.goto(site.url)
    code = await begin(page, person, stack)
    await page.reload()
    await send(page, "Verify", Code=code)
    await enter(page, person)
    assert person.email in await profile(page).inner_text()
    async with page.expect_response("**/api/auth/profile") as read:
        await page.get_by_role("button", name="Read again").click()
    assert (await read.value).status == 200

    await page.reload()
    await profile(page).wait_for()
    local, session, cookies = json.loads(await page.evaluate(STORED))
    assert (local, cookies, set(session)) == ({}, "", {"gatepost.tab", "gatepost.refresh_token"})

    await page.get_by_role("button", name="Log out").click()
    await page.get_by_role("form", name="Log in").wait_for()
    assert "refresh_token" not in await page.evaluate(STORED)
    dead = {"refresh_token": session["gatepost.refresh_token"]}
    async with stack.service.client() as client:
        assert (await client.post("/api/auth/refresh", json=dead)).status_code == 401
    await page.reload()
    await page.get_by_role("form", name="Log in").wait_for()
    assert watched.errors == []
    assert watched.hosts == {"localhost"}
    assert all(urlsplit(url)[3:] == ("", "") for url in watched.urls)


async def test_a_wrong_code_is_told_in_the_services_words_and_the_right_one_still_counts(
    site: ExampleSite, stack: Stack, watched: Watched
) -> None:
    person, page = Person(), watched.page
    await page.goto(site.url)
    code = await begin(page, person, stack)
    await send(page, "Verify", Code=wrong(code))
    await page.get_by_role("alert").get_by_text("Check the newest mail").wait_for()
    await send(page, "Verify", Code=code)
    await enter(page, person)


async def test_a_person_who_forgot_the_password_sets_another(
    site: ExampleSite, stack: Stack, mailroom: Mailroom, watched: Watched
) -> None:
    person, page = await member(stack.service, mailroom), watched.page
    await page.goto(site.url)
    before = await stack.mail_to(person)
    await send(page, "Forgot it", Email=person.email)
    mail = await stack.mail_to(person, after=before)
    assert mail.code is not None
    person.password = "quince lantern dune"
    await send(page, "Set password", Code=mail.code, New_password=person.password)
    await enter(page, person)
    assert watched.errors == []


async def test_a_duplicated_tab_starts_logged_out_and_leaves_the_first_alone(
    site: ExampleSite, stack: Stack, mailroom: Mailroom, watched: Watched
) -> None:
    """Two tabs that spend copies of one refresh token would look like a thief."""
    person, page = await member(stack.service, mailroom), watched.page
    await page.goto(site.url)
    await enter(page, person)
    spent = RefreshTokens.watched(page.context)
    async with page.expect_popup() as opened:
        await page.evaluate("window.open('/')")  # copies sessionStorage, as duplicating does
    copy = await opened.value
    await copy.get_by_role("form", name="Log in").wait_for()
    assert spent.presented == []
    assert "refresh_token" not in await copy.evaluate(STORED)

    await page.reload()
    await profile(page).wait_for()
    await copy.reload()
    await copy.get_by_role("form", name="Log in").wait_for()
    assert len(spent.presented) == 1


async def test_two_tabs_of_one_store_never_spend_the_same_refresh_token(
    site: ExampleSite, stack: Stack, mailroom: Mailroom, watched: Watched
) -> None:
    person, first = await member(stack.service, mailroom), watched.page
    second = await first.context.new_page()
    for page in (first, second):
        await page.goto(f"{site.url}/blank")
        await page.evaluate(SHARED_CLIENT, site.settings["gatepost"])
    await first.evaluate("(ann) => client.login(ann)", person.credentials())

    spent = RefreshTokens.watched(first.context)
    await first.context.route("**/api/auth/refresh", spent.let_two_meet)
    users = await asyncio.gather(*(tab.evaluate("client.refresh()") for tab in (first, second)))
    assert [user["email"] for user in users] == [person.email] * 2
    assert len(spent.presented) == len(set(spent.presented)) == 2
    for tab in (first, second):
        assert (await tab.evaluate("client.profile()"))["email"] == person.email


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
            async with asyncio.timeout(0.5):
                await self.met.wait()
        except TimeoutError:
            self.met.set()
        await route.continue_()
