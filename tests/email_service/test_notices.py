"""What a person is told of their account: the way of each notice through the worker."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from dev_stack.mail_stand_in import Fault
from email_service.render import EMAILS
from shared.emails import NoticeEmail
from shared.events import headers, new_id
from shared.topics import SEND_NOTICE
from tests.email_service.post_office import PostOffice, Worker, eventually

pytestmark = pytest.mark.anyio

FACTS = {"new_address": "b***@example.org", "where": "2001:db8::17", "device": "Firefox on Linux"}
DAY = 24 * 60 * 60


async def test_every_notice_becomes_one_mail_that_says_when(office: PostOffice) -> None:
    ids = {
        email: await office.tell(email, f"{email}@example.org", FACTS, ago=60)
        for email in get_args(NoticeEmail)
    }
    minute = datetime.now(UTC) - timedelta(seconds=60)

    async with office.worker(PRODUCT_NAME="Acme") as worker:
        mails = {email: await office.mail_to(f"{email}@example.org") for email in ids}
        await worker.shows("gatepost_mails_delivered_total", len(ids))
        log = worker.log

    for email, mail in mails.items():
        assert mail.event_id == ids[email]
        assert "Acme" in mail.subject
        assert mail.code is None
        for body in (mail.text, mail.html):
            assert f"{minute:%-d %B %Y}, {minute:%H}:" in body
            assert all(FACTS[name] in body for name in EMAILS[email, None] if name != "when")
        assert f"{email}@example.org" not in log
    assert not any(fact in log for fact in FACTS.values())
    assert (office.sendgrid.mailbox.count(), office.sendgrid.mailbox.doubled) == (len(ids), 0)


async def test_no_link_of_a_mail_is_tracked_by_the_provider(office: PostOffice) -> None:
    await office.tell("password-changed", "owner@example.org")

    async with office.worker(PRODUCT_URL="https://acme.example"):
        mail = await office.mail_to("owner@example.org")

    tracking = mail.request["body"]["tracking_settings"]
    assert tracking["click_tracking"] == {"enable": False, "enable_text": False}
    assert tracking["open_tracking"] == {"enable": False}


async def test_a_notice_that_comes_again_is_not_mailed_again(office: PostOffice) -> None:
    event_id = await office.tell("password-changed", "once@example.org")
    async with office.worker() as worker:
        await office.mail_to("once@example.org")
        await office.tell("password-changed", "once@example.org", event_id=event_id)
        await worker.shows("gatepost_mails_skipped_total", 1)
        # Nor is it called too late then.
        await office.tell("password-changed", "once@example.org", event_id=event_id, ago=DAY + 1)
        await worker.shows("gatepost_mails_skipped_total", 2)

    assert office.sendgrid.mailbox.count() == 1
    assert await office.dead_letters(0) == []


async def test_a_notice_of_yesterday_is_no_news_any_more(office: PostOffice) -> None:
    await office.tell("new-sign-in", "late@example.org", FACTS, ago=DAY + 1)
    await office.tell("new-sign-in", "intime@example.org", FACTS, ago=DAY - 60)

    async with office.worker() as worker:
        [letter] = await office.dead_letters(1)
        await office.mail_to("intime@example.org")
        assert await worker.metric("gatepost_mails_expired_total") == 0

    assert letter.end.reason == "undelivered"
    assert office.sendgrid.mailbox.count("late@example.org") == 0


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=429, reset_in=1, times=1),
        Fault(status=500, times=2),
        Fault(status=401, times=1),
    ],
    ids=["rate limit", "server error", "refused key"],
)
async def test_a_notice_outlives_sendgrids_bad_moments(office: PostOffice, fault: Fault) -> None:
    office.sendgrid.faults.add(fault)
    event_id = await office.tell("account-deleted", "patient@example.org")

    async with office.worker() as worker:
        mail = await office.mail_to("patient@example.org")
        await worker.shows("gatepost_mails_delivered_total", 1)

    assert mail.event_id == event_id
    assert office.sendgrid.mailbox.count() == 1
    assert await office.dead_letters(0) == []


async def test_a_notice_outlives_the_worker_that_was_stopped_over_it(office: PostOffice) -> None:
    fault = office.sendgrid.faults.add(Fault(status=503))
    await office.tell("email-changed", "old@example.org", FACTS)
    async with office.worker() as worker:
        await eventually(lambda: _retried(worker))
    office.sendgrid.faults.remove(fault)

    async with office.worker():
        await office.mail_to("old@example.org")
    assert office.sendgrid.mailbox.count() == 1


async def test_a_notice_that_lacks_a_fact_is_put_aside(office: PostOffice) -> None:
    await office.tell("new-sign-in", "owner@example.org", {"where": "192.0.2.7"})

    async with office.worker():
        [letter] = await office.dead_letters(1)

    assert (letter.end.reason, letter.end.detail) == ("malformed", "new-sign-in needs 'device'")


HOSTILE = {
    "another header": "Firefox\r\nBcc: other@example.org",
    "a line": "Firefox\nYour account is at risk",
    "right to left": "Firefox \u202elatot",
    "nothing to see": "Fire\u200bfox",
    "a link": "see https://evil.example/now",
    "a link without scheme": "//evil.example/now",
    "a novel": "x" * 10_000,
    "a null": "Firefox\0",
}


async def test_a_fact_that_could_turn_a_mail_into_another_is_put_aside(office: PostOffice) -> None:
    for what, hostile in HOSTILE.items():
        facts = {"device": hostile, "where": "192.0.2.7"}
        await office.tell("new-sign-in", "owner@example.org", facts, event_id=what)

    async with office.worker():
        letters = await office.dead_letters(len(HOSTILE))

    reason = ("malformed", "a fact cannot be put into a mail")
    ends = {letter.event_id: (letter.end.reason, letter.end.detail) for letter in letters}
    assert ends == dict.fromkeys(HOSTILE, reason)
    assert office.sendgrid.mailbox.count() == 0


async def test_markup_in_a_fact_is_text(office: PostOffice) -> None:
    device = "<b>{{ 7*7 }}</b> ${7*7} %0d%0aBcc: {{{x}}}"
    await office.tell("new-sign-in", "owner@example.org", {"device": device, "where": "192.0.2.7"})

    async with office.worker():
        mail = await office.mail_to("owner@example.org")

    assert device in mail.text
    assert "&lt;b&gt;{{ 7*7 }}&lt;/b&gt;" in mail.html
    assert mail.subject == "New sign-in to your Gatepost account"
    [personalization] = mail.request["body"]["personalizations"]
    assert personalization == {"to": [{"email": "owner@example.org"}]}


async def test_poison_among_notices_stops_nobody(office: PostOffice) -> None:
    end_of_time = (
        b'{"email":"account-deleted","address":"a@b.c","occurred_at":"9999-12-31T23:00:00-14:00"}'
    )
    for value in (b"{not json", None, b"{}", end_of_time):
        await office.produce(value, headers(new_id(), "send-notice"), topic=SEND_NOTICE.name)
    await office.tell("password-changed", "fine@example.org")

    async with office.worker() as worker:
        letters = await office.dead_letters(4)
        await office.mail_to("fine@example.org")
        assert worker.process.poll() is None

    assert sorted(letter.end.reason for letter in letters) == ["failed"] + 3 * ["malformed"]


async def test_codes_overtake_a_backlog_of_notices(office: PostOffice) -> None:
    office.sendgrid.faults.add(Fault(delay_ms=50))
    for number in range(300):
        await office.tell("password-changed", f"person{number}@example.org")

    async with office.worker(EMAIL_CONCURRENCY="4") as worker:
        await office.sendgrid.mailbox.wait_for(None, 10)
        asked = await office.ask("waiting@example.org")
        mail = await office.mail_to("waiting@example.org", seconds=3)
        told = await worker.metric("gatepost_mails_delivered_total")
        await eventually(lambda: _delivered(worker, 301), 30)

    assert mail.code == asked.code
    assert told < 150
    assert office.sendgrid.mailbox.doubled == 0


async def test_codes_that_wait_for_their_key_hold_up_no_notice(office: PostOffice) -> None:
    await office.ask_many([f"person{number}@example.org" for number in range(50)], kid="k2")
    await office.tell("password-changed", "owner@example.org")

    async with office.worker(EMAIL_CONCURRENCY="1"):
        await office.mail_to("owner@example.org")


async def _delivered(worker: Worker, many: int) -> bool:
    return await worker.metric("gatepost_mails_delivered_total") == many


async def _retried(worker: Worker) -> bool:
    return await worker.metric("gatepost_mails_retried_total") >= 1
