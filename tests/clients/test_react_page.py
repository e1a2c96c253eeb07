"""The example pages of clients/react, in a real Chromium against the running service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.async_api import Browser, Locator, Page

from tests.browser import Watched, chromium
from tests.clerk_issuer import ClerkIssuer
from tests.clients.example_site import ExampleSite, build
from tests.clients.tabs import RefreshTokens, share_a_store
from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person, member, wrong
from tests.service_process import ServiceProcess
from tests.system.stack import Stack
from tests.user_service.clerk import SECRET, Clerk, ClerkUser

pytestmark = pytest.mark.anyio

LOCKS = "navigator.locks.query().then(({held}) => held.length)"
STORED = "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"


@pytest.fixture(scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ExampleSite]:
    folder = tmp_path_factory.mktemp("example")
    await asyncio.to_thread(build, folder)
    async with ExampleSite(folder).served() as site:
        yield site


@pytest.fixture(scope="module")
def issuer() -> Iterator[ClerkIssuer]:
    with ClerkIssuer.started() as issuer:
        yield issuer


@pytest.fixture(scope="module")
async def stack(
    corner: Corner,
    site: ExampleSite,
    issuer: ClerkIssuer,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Stack]:
    """Everything, with a service that the example's origin may call, and a Clerk beside it."""
    known = corner.variables | issuer.settings | {"CLERK_WEBHOOK_SECRETS": SECRET}
    with ServiceProcess.started(known, CORS_ORIGINS=site.url) as service:
        site.settings["gatepost"] = f"http://localhost:{service.port}"
        site.settings["clerk"] = issuer.url.replace("127.0.0.1", "localhost")
        logs = tmp_path_factory.mktemp("logs")
        async with Stack.started(replace(corner, variables=known), service, logs) as stack:
            yield stack


@pytest.fixture(scope="module")
async def clerk(stack: Stack) -> AsyncIterator[Clerk]:
    with httpx.Client(base_url=stack.service.url, timeout=10) as client:
        yield Clerk(client)


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


async def test_a_page_in_the_back_forward_cache_holds_no_lock(
    site: ExampleSite, stack: Stack, watched: Watched
) -> None:
    """Or browsers would not keep it there; when it comes back, its tab is its own again."""
    page = watched.page
    await page.goto(site.url)
    await page.get_by_role("form", name="Log in").wait_for()
    assert await page.evaluate(LOCKS) == 1
    await page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
    assert await page.evaluate(LOCKS) == 0
    await page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    assert await page.evaluate(LOCKS) == 1


async def test_two_tabs_of_one_store_never_spend_the_same_refresh_token(
    site: ExampleSite, stack: Stack, mailroom: Mailroom, watched: Watched
) -> None:
    person, first = await member(stack.service, mailroom), watched.page
    second = await first.context.new_page()
    for page in (first, second):
        await page.goto(f"{site.url}/blank")
        await share_a_store(page, site.settings["gatepost"])
    await first.evaluate("(ann) => client.login(ann)", person.credentials())

    spent = RefreshTokens.watched(first.context)
    await first.context.route("**/api/auth/refresh", spent.let_two_meet)
    users = await asyncio.gather(*(tab.evaluate("client.refresh()") for tab in (first, second)))
    assert [user["email"] for user in users] == [person.email] * 2
    assert len(spent.presented) == len(set(spent.presented)) == 2
    for tab in (first, second):
        assert (await tab.evaluate("client.profile()"))["email"] == person.email


async def test_a_clerk_frontend_reads_its_backend_user_with_the_token_it_already_has(
    site: ExampleSite, corner: Corner, clerk: Clerk, watched: Watched
) -> None:
    """Right after the sign-up too, when the webhook is still on its way."""
    here, new, page = ClerkUser(), ClerkUser(), watched.page
    await asyncio.to_thread(clerk.create, here)
    await account_of(corner, here)
    await page.goto(f"{site.url}/clerk.html")
    async with page.expect_response("**/v1/me") as early:
        await send(page, "Sign in at Clerk", Clerk_user_id=new.id)
    assert (await early.value).status == 401
    assert await page.get_by_role("alert").count() == 0
    await asyncio.to_thread(clerk.create, new)
    await profile(page).get_by_text(str(new.email)).wait_for()

    await page.get_by_role("button", name="Sign out").click()
    await send(page, "Sign in at Clerk", Clerk_user_id=here.id)
    await profile(page).get_by_text(str(here.email)).wait_for()
    assert await page.get_by_text(str(new.email)).count() == 0
    assert [error for error in watched.errors if "401 (Unauthorized)" not in error] == []
    assert watched.hosts == {"localhost"}
    assert json.loads(await page.evaluate(STORED)) == [{}, {}, ""]


async def account_of(corner: Corner, user: ClerkUser) -> None:
    """Wait until the worker, which may just have begun, has made it."""
    query = "SELECT FROM clerk_users WHERE id = $1 AND account_id IS NOT NULL"
    async with asyncio.timeout(40):
        while not await corner.fetch(query, user.id):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
