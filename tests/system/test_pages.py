"""The pages that people look at, in a real browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import aiohttp
import pytest

from dev_stack.mail_stand_in import MailStandIn
from tests.browser import Watched, chromium
from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import log_in, member
from tests.service_process import ServiceProcess
from tests.user_service.services import registered

pytestmark = pytest.mark.anyio


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    async with chromium() as browser, Watched.opened(browser) as watched:
        yield watched


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


async def put_mail(sendgrid: MailStandIn, subject: str, text: str, html: str) -> None:
    mail = {
        "personalizations": [{"to": [{"email": "ann@example.org"}]}],
        "from": {"email": "no-reply@gatepost.example"},
        "subject": subject,
        "content": [{"type": "text/plain", "value": text}, {"type": "text/html", "value": html}],
    }
    headers = {"authorization": "Bearer SG.key"}
    async with aiohttp.ClientSession(headers=headers) as session:
        answer = await session.post(f"{sendgrid.url}/v3/mail/send", json=mail)
        assert answer.status == 202


async def test_the_docs_page_logs_in_and_reads_the_profile(
    service: ServiceProcess, mailroom: Mailroom, watched: Watched
) -> None:
    person, page = await member(service, mailroom), watched.page
    await page.goto(f"http://localhost:{service.port}/docs")
    await page.locator(".auth-wrapper .authorize").first.click()
    form = page.locator(".auth-container", has_text="OAuth2, password")
    await form.locator("#oauth_username").fill(person.email)
    await form.locator("#oauth_password").fill(person.password)
    await form.locator("button.authorize").click()
    await form.get_by_text("Authorized").wait_for()
    await page.locator(".close-modal").click()
    profile = page.locator(".opblock-get", has_text="/api/auth/profile")
    await profile.locator(".opblock-summary-control").click()
    await profile.locator("button.execute").click()
    answer = profile.locator(".live-responses-table .response")
    assert "200" in await answer.locator(".response-col_status").inner_text()
    assert person.email in await answer.inner_text()
    assert watched.hosts == {"localhost"}
    assert watched.errors == []


async def test_the_docs_page_introspects_with_a_clients_credentials(
    service: ServiceProcess, corner: Corner, mailroom: Mailroom, watched: Watched
) -> None:
    person, page = await member(service, mailroom), watched.page
    billing = registered(corner, service)
    async with service.client() as client:
        token = (await log_in(client, person)).json()["data"]["token"]
    await page.goto(f"http://localhost:{service.port}/docs")
    await page.locator(".auth-wrapper .authorize").first.click()
    form = page.locator(".auth-container", has_text="http, Basic")
    await form.locator("[name=username]").fill(billing.id)
    await form.locator("[name=password]").fill(billing.secret)
    await form.locator("button.authorize").click()
    await page.locator(".close-modal").click()
    introspect = page.locator(".opblock-post", has_text="/introspect")
    await introspect.locator(".opblock-summary-control").click()
    await introspect.locator("[data-property-name=token] input").fill(token)
    await introspect.locator("button.execute").click()
    answer = introspect.locator(".live-responses-table .response")
    assert '"active": true' in await answer.inner_text()
    assert watched.errors == []


async def test_the_mailbox_page_shows_a_mail_with_its_code(watched: Watched) -> None:
    subject = "Your code <b>is</b> here"
    html = "<p>Your code: 204518<script>alert(1)</script></p>"
    async with MailStandIn(key="SG.key") as sendgrid:
        await put_mail(sendgrid, subject, "Your code: 204518", html)
        await watched.page.goto(sendgrid.url)
        await watched.page.get_by_text(subject).first.click()
        await watched.page.get_by_text("204518").first.wait_for()
    assert watched.hosts <= {urlsplit(sendgrid.url).hostname, None}


async def test_links_of_a_mail_open_beside_the_mailbox_page(watched: Watched) -> None:
    """In both views, with the fragment that a reset link carries its token in."""
    async with MailStandIn(key="SG.key") as sendgrid:
        link = f"{sendgrid.url}/reset#token=id.mac"
        html = f'<!doctype html><html><head></head><body><a href="{link}">Set it</a></body></html>'
        await put_mail(sendgrid, "Set a new password", f"Set it here:\n\n    {link}\n", html)
        await watched.page.goto(sendgrid.url)
        await watched.page.get_by_text("Set a new password").first.click()

        async with watched.page.expect_popup() as opened:
            await watched.page.frame_locator("#html").get_by_text("Set it").click()
        assert (await opened.value).url == link

        await watched.page.get_by_role("tab", name="Text").click()
        async with watched.page.expect_popup() as opened:
            await watched.page.locator("#text").get_by_text(link).click()
        assert (await opened.value).url == link
