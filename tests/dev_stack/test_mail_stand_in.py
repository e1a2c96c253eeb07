"""SendGrid's stand-in answers as SendGrid does, on good days and on bad ones."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from dev_stack.mail_stand_in import Fault, Mailbox, MailStandIn, MailView

pytestmark = pytest.mark.anyio

KEY = "SG.the-key"


@pytest.fixture
async def sendgrid() -> AsyncIterator[MailStandIn]:
    async with MailStandIn(key=KEY, most_bytes=20_000) as stand_in:
        yield stand_in


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def mail_to(address: str, *, event_id: str = "event-1", code: str = "012345") -> dict[str, Any]:
    return {
        "personalizations": [{"to": [{"email": address}]}],
        "from": {"email": "no-reply@gatepost.example"},
        "subject": "Your code",
        "custom_args": {"event_id": event_id},
        "content": [
            {"type": "text/plain", "value": f"Your code is {code}, good for 10 minutes."},
            {"type": "text/html", "value": f"<p>Your code is <b>{code}</b></p>"},
        ],
    }


def post(http: aiohttp.ClientSession, sendgrid: MailStandIn, mail: Any, key: str = KEY) -> Any:
    headers = {"Authorization": f"Bearer {key}"}
    return http.post(f"{sendgrid.url}/v3/mail/send", json=mail, headers=headers)


async def test_good_mail_is_accepted_with_an_id_and_nothing_else(
    sendgrid: MailStandIn, http: aiohttp.ClientSession
) -> None:
    async with post(http, sendgrid, mail_to("ada@example.org")) as answer:
        assert answer.status == 202
        assert await answer.read() == b""
        assert answer.headers["X-Message-Id"] == sendgrid.mailbox.newest("ada@example.org")[0].id


async def test_wrong_key_is_401_and_nothing_is_accepted(
    sendgrid: MailStandIn, http: aiohttp.ClientSession
) -> None:
    async with post(http, sendgrid, mail_to("ada@example.org"), key="SG.other") as answer:
        assert answer.status == 401
        (error,) = (await answer.json())["errors"]
    assert error.keys() == {"message", "field", "help"}
    assert "authorization grant is invalid" in error["message"]
    assert sendgrid.mailbox.count() == 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"personalizations": []}, "personalizations"),
        ({"personalizations": [{}]}, "personalizations.0.to"),
        ({"personalizations": [{"to": [{"email": "nobody"}]}]}, "personalizations.0.to.0.email"),
        ({"personalizations": [{"to": [{"email": "a@b.c"}, {"email": "A@b.c"}]}]},
         "personalizations.0"),
        ({"from": {}}, "from.email"),
        ({"from": {"email": "x"}}, "from.email"),
        ({"subject": ""}, "subject"),
        ({"content": []}, "content"),
        ({"content": [{"type": "text/plain", "value": ""}]}, "content.0.value"),
        ({"content": [{"type": "text/html", "value": "h"}, {"type": "text/plain", "value": "t"}]},
         "content"),
        ({"custom_args": {"number": 1}}, "custom_args"),
        ({"custom_args": {"long": "x" * 10_001}}, "custom_args"),
    ],
)  # fmt: skip
async def test_invalid_field_is_400_and_named(
    sendgrid: MailStandIn, http: aiohttp.ClientSession, change: dict[str, Any], field: str
) -> None:
    async with post(http, sendgrid, mail_to("ada@example.org") | change) as answer:
        assert answer.status == 400
        assert [error["field"] for error in (await answer.json())["errors"]] == [field]


@pytest.mark.parametrize("body", [[], "text", 7, {"personalizations": [7]}])
async def test_body_of_another_shape_is_400(
    sendgrid: MailStandIn, http: aiohttp.ClientSession, body: Any
) -> None:
    async with post(http, sendgrid, body) as answer:
        assert answer.status == 400


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Your code is 123456.", "123456"),
        ("https://a.example/reset#token=x-654321-y.z_654321\n\n    123456\n", "123456"),
        ("https://a.example/654321/reset#token=654321.z", None),
        ("It is now b***@654321.example.", None),
        ("1234567", None),
    ],
)
async def test_digits_inside_of_a_link_are_no_code(
    sendgrid: MailStandIn, http: aiohttp.ClientSession, text: str, code: str | None
) -> None:
    content = {"content": [{"type": "text/plain", "value": text}]}
    await post(http, sendgrid, mail_to("ada@example.org") | content)
    assert MailView.of(sendgrid.mailbox.newest()[0]).code == code


async def test_template_needs_neither_subject_nor_content(
    sendgrid: MailStandIn, http: aiohttp.ClientSession
) -> None:
    mail = mail_to("ada@example.org") | {"template_id": "d-1", "subject": "", "content": []}
    async with post(http, sendgrid, mail) as answer:
        assert answer.status == 202


async def test_body_above_the_limit_is_413(
    sendgrid: MailStandIn, http: aiohttp.ClientSession
) -> None:
    async with post(http, sendgrid, mail_to("ada@example.org") | {"x": "x" * 20_001}) as answer:
        assert answer.status == 413


async def test_rate_limit_tells_when_it_ends(
    sendgrid: MailStandIn, http: aiohttp.ClientSession
) -> None:
    sendgrid.faults.add(Fault(status=429, reset_in=5, times=1))
    async with post(http, sendgrid, mail_to("ada@example.org")) as answer:
        assert answer.status == 429
        assert answer.headers["X-RateLimit-Remaining"] == "0"
        assert 3 <= int(answer.headers["X-RateLimit-Reset"]) - time.time() <= 6
    async with post(http, sendgrid, mail_to("ada@example.org")) as answer:
        assert answer.status == 202


async def test_fault_strikes_its_recipient_only_and_ends_when_removed(
    sendgrid: MailStandIn, http: aiohttp.ClientSession
) -> None:
    fault = sendgrid.faults.add(Fault(status=503, to="Stuck@example.org"))
    async with post(http, sendgrid, mail_to("stuck@example.org")) as answer:
        assert answer.status == 503
    async with post(http, sendgrid, mail_to("other@example.org")) as answer:
        assert answer.status == 202
    assert sendgrid.faults.remove(fault)
    async with post(http, sendgrid, mail_to("stuck@example.org")) as answer:
        assert answer.status == 202


async def test_dropped_connection_may_come_after_the_mail_was_accepted(
    sendgrid: MailStandIn, http: aiohttp.ClientSession
) -> None:
    for close, accepted in (("before", 0), ("after_accept", 1)):
        sendgrid.faults.add(Fault(close=close, times=1))  # type: ignore[arg-type]
        with pytest.raises(aiohttp.ClientError):
            await post(http, sendgrid, mail_to("ada@example.org"))
        assert sendgrid.mailbox.count() == accepted


async def test_hanging_request_is_let_go_when_the_fault_is_lifted(
    sendgrid: MailStandIn, http: aiohttp.ClientSession
) -> None:
    sendgrid.faults.add(Fault(hang=True))
    request = asyncio.ensure_future(post(http, sendgrid, mail_to("ada@example.org")))
    await asyncio.sleep(0.2)
    assert not request.done()
    sendgrid.faults.clear()
    with pytest.raises(aiohttp.ClientError):
        await request


async def test_faults_are_put_and_lifted_over_http(
    sendgrid: MailStandIn, http: aiohttp.ClientSession
) -> None:
    faults = f"{sendgrid.url}/api/faults"
    async with http.post(faults, json={"status": 500, "delay_ms": 100}) as answer:
        fault = (await answer.json())["id"]
    began = time.monotonic()
    async with post(http, sendgrid, mail_to("ada@example.org")) as answer:
        assert answer.status == 500
        assert time.monotonic() - began >= 0.1
    async with http.get(faults) as answer:
        assert (await answer.json())["faults"][fault]["status"] == 500
    assert (await http.delete(f"{faults}/{fault}")).status == 204
    assert (await http.delete(f"{faults}/{fault}")).status == 404
    assert (await http.post(faults, json={"staus": 500})).status == 400
    assert (await http.delete(faults)).status == 204


async def test_mailbox_shows_a_mail_as_it_was_sent(
    sendgrid: MailStandIn, http: aiohttp.ClientSession
) -> None:
    await post(http, sendgrid, mail_to("Ada@example.org", event_id="e-7", code="004711"))
    query = {"to": "ada@EXAMPLE.org"}
    async with http.get(f"{sendgrid.url}/api/mails", params=query) as answer:
        (mail,) = (await answer.json())["mails"]
    assert mail["to"] == "Ada@example.org"
    assert mail["from"] == "no-reply@gatepost.example"
    assert (mail["code"], mail["event_id"]) == ("004711", "e-7")
    assert mail["html"].startswith("<p>")
    assert KEY not in str(mail["request"])
    async with http.get(f"{sendgrid.url}/api/mails/{mail['id']}") as answer:
        assert await answer.json() == mail


async def test_mails_html_is_served_without_the_right_to_run_scripts(
    sendgrid: MailStandIn, http: aiohttp.ClientSession
) -> None:
    await post(http, sendgrid, mail_to("ada@example.org"))
    mail = sendgrid.mailbox.newest()[0]
    async with http.get(f"{sendgrid.url}/mails/{mail.id}.html") as answer:
        policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox ")
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    async with http.get(f"{sendgrid.url}/") as answer:
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


async def test_reader_waits_for_the_mail_after_the_one_it_has(
    sendgrid: MailStandIn, http: aiohttp.ClientSession
) -> None:
    await post(http, sendgrid, mail_to("ada@example.org", code="111111"))
    first = await sendgrid.mailbox.wait_for("ada@example.org", 1)
    waiting = asyncio.ensure_future(sendgrid.mailbox.wait_for("ada@example.org", 5, after=first.id))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await post(http, sendgrid, mail_to("ada@example.org", event_id="event-2", code="222222"))
    assert (await waiting).event_id == "event-2"
    with pytest.raises(TimeoutError):
        await sendgrid.mailbox.wait_for("nobody@example.org", 0.05)


async def test_stats_count_what_was_doubled(
    sendgrid: MailStandIn, http: aiohttp.ClientSession
) -> None:
    for event_id in ("e-1", "e-2", "e-1"):
        await post(http, sendgrid, mail_to("ada@example.org", event_id=event_id))
    await post(http, sendgrid, {})
    async with http.get(f"{sendgrid.url}/api/stats") as answer:
        assert await answer.json() == {
            "requests": 4,
            "accepted": 3,
            "refused": 1,
            "distinct_event_ids": 2,
            "doubled": 1,
        }


async def test_mailbox_keeps_the_newest_and_counts_all(http: aiohttp.ClientSession) -> None:
    async with MailStandIn(mailbox=Mailbox(capacity=2)) as sendgrid:
        for number in range(3):
            await post(http, sendgrid, mail_to(f"person{number}@example.org"))
        kept = [mail.to for mail in sendgrid.mailbox.newest()]
        assert kept == ["person2@example.org", "person1@example.org"]
        assert sendgrid.mailbox.newest("person0@example.org") == []
        assert sendgrid.mailbox.count("person0@example.org") == 1
