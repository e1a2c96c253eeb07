"""Each way out: what goes on the wire, and what an answer means."""

from __future__ import annotations

import asyncio
import re

import pytest
from aiohttp import web

from dev_stack.mail_stand_in import Fault, MailStandIn
from email_service.senders.console import Console
from email_service.senders.sender import (
    KeyRefused,
    Mail,
    Refused,
    SendFailed,
    Throttled,
    TryLater,
)
from email_service.senders.sendgrid_api import SendGrid, compose
from email_service.senders.smtp import Smtp
from email_service.settings import Originator, Security, SendGridAccount
from email_service.settings import SmtpServer as SmtpSettings
from tests.email_service.smtp_server import SmtpServer

pytestmark = pytest.mark.anyio

ORIGINATOR = Originator("hello@gatepost.test", "Gatepost & Söhne")
MAIL = Mail("id-1", "ada@example.org", "Süß & short", "Text\n123456", "<p>“HTML”</p>")


def sendgrid(url: str) -> SendGrid:
    return SendGrid(SendGridAccount("SG.key", url), ORIGINATOR, connections=4)


@pytest.mark.parametrize(
    "mail",
    [MAIL, Mail("id-2", "o'neil+tag@xn--bcher-kva.example", "Zweite", "¡Texto!", "<b>2</b>")],
)
async def test_the_body_is_exactly_what_sendgrids_library_builds(mail: Mail) -> None:
    sender = sendgrid("http://127.0.0.1:1")

    assert sender.body(mail) == compose(ORIGINATOR, mail)
    assert list(sender.body(mail)) == list(compose(ORIGINATOR, mail))
    await sender.close()


async def test_sendgrid_gets_one_recipient_the_event_id_and_no_tracking() -> None:
    async with MailStandIn(key="SG.key") as stand_in:
        sender = sendgrid(stand_in.url)
        await sender.send(MAIL)
        await sender.close()
        [mail] = stand_in.mailbox.newest()

    body = compose(ORIGINATOR, MAIL)
    assert (mail.to, mail.event_id) == ("ada@example.org", "id-1")
    assert body["personalizations"] == [{"to": [{"email": "ada@example.org"}]}]
    assert body["tracking_settings"]["click_tracking"] == {"enable": False, "enable_text": False}
    assert "cc" not in body | body["personalizations"][0]


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        (Fault(status=400), Refused),
        (Fault(status=413), Refused),
        (Fault(status=401), KeyRefused),
        (Fault(status=403), KeyRefused),
        (Fault(status=429, reset_in=7), Throttled),
        (Fault(status=500), TryLater),
        (Fault(status=503), TryLater),
        (Fault(close="before"), TryLater),
        (Fault(close="after_accept"), TryLater),
    ],
)
async def test_each_answer_of_sendgrid_means_what_it_should(
    fault: Fault, failure: type[SendFailed]
) -> None:
    async with MailStandIn(key="SG.key") as stand_in:
        stand_in.faults.add(fault)
        sender = sendgrid(stand_in.url)
        with pytest.raises(SendFailed) as raised:
            await sender.send(MAIL)
        await sender.close()

    assert type(raised.value) is failure
    if isinstance(raised.value, Throttled):
        assert 5 < raised.value.seconds <= 7


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [(None, 1), ("soon", 1), ("0", 0), ("9" * 12, 300), ("nan", 1), ("inf", 1)],
)
async def test_an_odd_reset_stops_mail_for_minutes_at_most(
    reset: str | None, seconds: float
) -> None:
    async def limited(_request: web.Request) -> web.Response:
        return web.Response(status=429, headers={"X-RateLimit-Reset": reset} if reset else {})

    async with _answering(limited) as url:
        sender = sendgrid(url)
        with pytest.raises(Throttled) as raised:
            await sender.send(MAIL)
        await sender.close()

    assert raised.value.seconds == seconds


async def test_a_redirect_is_not_followed_with_our_key() -> None:
    async def elsewhere(_request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect("http://127.0.0.1:1/")

    async with _answering(elsewhere) as url:
        sender = sendgrid(url)
        with pytest.raises(Refused):
            await sender.send(MAIL)
        await sender.close()


class _answering:  # noqa: N801
    """A server that gives one answer to everything."""

    def __init__(self, answer: object) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)  # type: ignore[arg-type]
        self._runner = web.AppRunner(app)

    async def __aenter__(self) -> str:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


def smtp(server: SmtpServer, security: Security = "none") -> Smtp:
    return Smtp(SmtpSettings("127.0.0.1", server.port, security, "", ""), ORIGINATOR)


async def test_smtp_sends_both_bodies_over_one_connection() -> None:
    async with SmtpServer().running() as server:
        sender = smtp(server)
        await sender.send(MAIL)
        await sender.send(MAIL)
        await sender.close()

    assert (len(server.mails), server.connections) == (2, 1)
    assert "RCPT TO:<ada@example.org>" in " ".join(server.commands)
    mail = server.mails[0]
    assert re.search(r"^Message-ID: <id-1@gatepost\.test>", mail, re.MULTILINE)
    assert "Auto-Submitted: auto-generated" in mail
    assert "multipart/alternative" in mail
    assert "Text\r\n123456" in mail


@pytest.mark.parametrize(
    ("verb", "answer", "failure"),
    [
        ("RCPT", "550 no such mailbox", Refused),
        ("RCPT", "451 try later", TryLater),
        ("MAIL", "421 too busy", TryLater),
        ("DATA", "554 spam", Refused),
        ("EHLO", "421 not now", TryLater),
        ("RCPT", "550 bo\u00eete inconnue", Refused),
        ("RCPT", "451 r\u00e9essayez", TryLater),
        # Said of whoever sends: every other mail would hear the same.
        ("", "554 your address is blocked", KeyRefused),
        ("EHLO", "550 who are you?", KeyRefused),
        ("MAIL", "550 account suspended", KeyRefused),
        ("RCPT", "530 authentication required", KeyRefused),
    ],
)
async def test_each_answer_of_an_smtp_server_means_what_it_should(
    verb: str, answer: str, failure: type[SendFailed]
) -> None:
    async with SmtpServer(answers={verb: answer, "HELO": answer}).running() as server:
        sender = smtp(server)
        with pytest.raises(SendFailed) as raised:
            await sender.send(MAIL)
        await sender.close()

    assert type(raised.value) is failure
    # It goes into logs and headers, whatever bytes a server may use.
    assert str(raised.value).isascii()
    assert server.mails == []


async def test_smtp_sends_nothing_to_a_server_without_starttls() -> None:
    async with SmtpServer().running() as server:
        sender = smtp(server, "starttls")
        with pytest.raises(SendFailed):
            await sender.send(MAIL)

    assert not any(command.startswith(("AUTH", "MAIL")) for command in server.commands)


async def test_an_address_cannot_break_out_of_an_smtp_header() -> None:
    async with SmtpServer().running() as server:
        with pytest.raises((SendFailed, ValueError)):
            await smtp(server).send(
                Mail("id", "victim@example.org\r\nBcc: evil@example.org", "s", "t", "h")
            )

    assert server.commands == []


async def test_a_cancelled_smtp_try_leaves_no_half_used_connection() -> None:
    async with SmtpServer(answers={"DATA": ""}).running() as server:
        sender = smtp(server)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await sender.send(MAIL)
        server.answers.clear()
        await sender.send(MAIL)
        await sender.close()

    assert (len(server.mails), server.connections) == (1, 2)


async def test_the_console_shows_the_mail(capsys: pytest.CaptureFixture[str]) -> None:
    await Console().send(MAIL)

    assert "ada@example.org" in (shown := capsys.readouterr().out)
    assert "123456" in shown
