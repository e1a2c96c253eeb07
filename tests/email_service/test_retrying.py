"""SendGrid's bad days: who waits, for how long, and who does not."""

from __future__ import annotations

import asyncio
import time

import pytest

from dev_stack.mail_stand_in import Fault
from tests.email_service.post_office import PostOffice, Worker, eventually

pytestmark = pytest.mark.anyio

OTHERS = [f"other{n}@example.org" for n in range(20)]


async def test_a_mail_is_tried_again_until_it_passes(office: PostOffice) -> None:
    office.sendgrid.faults.add(Fault(status=503, times=1))
    office.sendgrid.faults.add(Fault(close="before", times=1))
    asked = await office.ask("patient@example.org")

    async with office.worker() as worker:
        mail = await office.mail_to("patient@example.org")
        await worker.shows("gatepost_mails_delivered_total", 1)
        assert await worker.metric("gatepost_mails_retried_total") == 2

    assert mail.code == asked.code
    assert office.sendgrid.mailbox.count() == 1


async def test_a_refused_mail_is_put_aside_at_once_with_sendgrids_reason(
    office: PostOffice,
) -> None:
    office.sendgrid.faults.add(Fault(status=400, to="bad@example.org"))
    bad = await office.ask("bad@example.org")
    await office.ask_many(OTHERS)

    async with office.worker() as worker:
        [letter] = await office.dead_letters(1)
        await worker.shows("gatepost_mails_delivered_total", 20)
        assert await worker.metric("gatepost_mails_retried_total") == 0

    assert letter.end.reason == "refused"
    assert letter.end.detail.startswith("400 ")
    assert len(letter.end.detail) > len("400 ")
    assert (letter.end.attempts, letter.event_id) == ("1", bad.event_id)
    assert bad.code.encode() not in (letter.value or b"") + str(letter.headers).encode()


async def test_one_stuck_recipient_delays_nobody(office: PostOffice) -> None:
    office.sendgrid.faults.add(Fault(status=503, to="stuck@example.org"))
    await office.ask("stuck@example.org")

    async with office.worker(EMAIL_CONCURRENCY="1") as worker:
        await eventually(lambda: _tried(worker))
        started = time.monotonic()
        await office.ask_many(OTHERS)
        await worker.shows("gatepost_mails_delivered_total", 20)
        assert time.monotonic() - started < 2

    assert office.sendgrid.mailbox.count("stuck@example.org") == 0


async def _tried(worker: Worker) -> bool:
    return await worker.metric("gatepost_mails_retried_total") >= 3


async def test_a_code_that_ends_while_its_mail_waits_is_not_sent(office: PostOffice) -> None:
    fault = office.sendgrid.faults.add(Fault(status=503, to="ending@example.org"))
    await office.ask("before@example.org")

    async with office.worker():
        # How long a worker takes to join its group is none of the code's 2.5 seconds.
        await office.mail_to("before@example.org", 30)
        await office.ask("ending@example.org", lives=2.5)
        [letter] = await office.dead_letters(1)
        office.sendgrid.faults.remove(fault)
        await asyncio.sleep(0.5)

    assert letter.end.reason == "expired"
    assert int(letter.end.attempts) >= 1
    assert office.sendgrid.mailbox.count("ending@example.org") == 0


async def test_a_refused_key_pauses_all_mail_and_loses_none(office: PostOffice) -> None:
    fault = office.sendgrid.faults.add(Fault(status=401))
    await office.ask_many(OTHERS)

    async with office.worker(EMAIL_CONCURRENCY="5") as worker:
        await worker.shows("gatepost_mail_key_refused", 1)
        assert (await worker.get("/health/ready"))[0] == 503
        await asyncio.sleep(2)
        # Those five that were on their way, and probes after 0.5, 1 and 2 seconds.
        refused = sum(line["event"] == "key_refused" for line in worker.lines)
        requests = await office.requests()
        assert refused == 1
        assert requests <= 5 + 3

        office.sendgrid.faults.remove(fault)
        await worker.shows("gatepost_mails_delivered_total", 20)
        assert (await worker.get("/health/ready"))[0] == 200

    assert (office.sendgrid.mailbox.count(), office.sendgrid.mailbox.doubled) == (20, 0)
    assert await office.dead_letters(0) == []


async def test_a_wrong_key_of_our_own_is_recognised(office: PostOffice) -> None:
    await office.ask("someone@example.org")

    async with office.worker(SENDGRID_API_KEY="SG.the-wrong-key") as worker:
        await worker.shows("gatepost_mail_key_refused", 1)
        assert "SG.the-wrong-key" not in worker.log

    # Nobody decided about the mail, so the worker with the right key finds it.
    async with office.worker():
        await office.mail_to("someone@example.org")
    assert await office.dead_letters(0) == []


async def test_a_rate_limit_holds_everybody_back_until_its_reset(office: PostOffice) -> None:
    office.sendgrid.faults.add(Fault(status=429, reset_in=3, times=5))
    await office.ask_many(OTHERS)

    async with office.worker(EMAIL_CONCURRENCY="5") as worker:
        await eventually(lambda: _limited(office))
        # The reset is told in whole seconds, so up to one may be missing of the three.
        await asyncio.sleep(1.5)
        assert await office.requests() <= 5
        await worker.shows("gatepost_mails_delivered_total", 20)

    assert (office.sendgrid.mailbox.count(), office.sendgrid.mailbox.doubled) == (20, 0)


async def _limited(office: PostOffice) -> bool:
    return await office.requests() >= 1


async def test_a_code_of_an_unknown_key_waits_for_the_key(office: PostOffice) -> None:
    await office.ask("early@example.org", kid="k2")
    await office.ask("usual@example.org")

    async with office.worker() as worker:
        await office.mail_to("usual@example.org")
        await eventually(lambda: _tried(worker))
        assert "OTP_KEYS has no key k2" in worker.log

    keys = office.variables["OTP_KEYS"]
    async with office.worker(OTP_KEYS=f"{keys},k2:the-key-that-is-rolled-out-second"):
        await office.mail_to("early@example.org")
    assert office.sendgrid.mailbox.doubled == 0
