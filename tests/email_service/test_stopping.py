"""What a stop and a crash leave behind."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import urlsplit

import pytest

from dev_stack.mail_stand_in import Fault, MailView
from dev_stack.part import Part
from tests.email_service.post_office import PostOffice, eventually
from tests.proxy import Proxy

pytestmark = pytest.mark.anyio


async def test_sigterm_finishes_what_is_in_flight_and_leaves_what_waits(
    office: PostOffice,
) -> None:
    stuck = office.sendgrid.faults.add(Fault(status=503, to="stuck@example.org"))
    office.sendgrid.faults.add(Fault(delay_ms=1500, to="slow@example.org", times=1))
    # Ids that fall on two partitions: on one, the stuck mail would hold the commit back.
    await office.ask("stuck@example.org", challenge_id="stuck")

    async with office.executed_worker() as worker:
        await eventually(lambda: _requested(office, 4))
        await office.ask("slow@example.org", challenge_id="slow")
        await asyncio.sleep(0.5)
        started = time.monotonic()
        assert await worker.stop() == 0
        assert time.monotonic() - started < 4
        assert worker.lines[-1]["event"] == "stopped"
        assert office.sendgrid.mailbox.count("slow@example.org") == 1

    office.sendgrid.faults.remove(stuck)
    async with office.executed_worker() as worker:
        await office.mail_to("stuck@example.org")
        await worker.shows("gatepost_mails_delivered_total", 1)
        # What was finished during the stop is committed, and does not come again.
        assert await worker.metric("gatepost_mails_skipped_total") == 0
    assert (office.sendgrid.mailbox.count(), office.sendgrid.mailbox.doubled) == (2, 0)


async def test_a_killed_worker_loses_nothing_and_doubles_what_was_in_flight_at_most(
    office: PostOffice,
) -> None:
    office.sendgrid.faults.add(Fault(delay_ms=50))
    asked = await office.ask_many([f"person{n}@example.org" for n in range(200)])

    # Redis is so slow that a mail is marked long after it was accepted.
    with Proxy.before(urlsplit(office.redis_url).port or 6379) as wire:
        wire.delay(0.1)
        slow = {"REDIS_URL": wire.url(office.redis_url)}
        async with office.executed_worker(EMAIL_CONCURRENCY="10", **slow) as worker:
            await eventually(lambda: _accepted(office, 50), 20)
            await worker.kill()
    assert office.sendgrid.mailbox.count() < 200

    # The broker notices the death when the session of the killed member ends.
    async with office.executed_worker(EMAIL_CONCURRENCY="10"):
        await eventually(lambda: _all_arrived(office, 200), 30)

    assert office.sendgrid.mailbox.doubled <= 10
    for one in asked:
        mails = [MailView.of(mail) for mail in office.sendgrid.mailbox.newest(one.event.address)]
        assert {mail.code for mail in mails} == {one.code}


async def test_brokers_that_hang_make_it_unready_and_cannot_hold_a_stop(
    office_with_own_kafka: tuple[PostOffice, Part],
) -> None:
    office, kafka = office_with_own_kafka
    await office.ask("before@example.org")

    async with office.executed_worker() as worker:
        await office.mail_to("before@example.org")
        assert (await worker.get("/health/ready"))[0] == 200
        kafka.freeze()

        async def unready() -> bool:
            status, text = await worker.get("/health/ready")
            return (status, "kafka" in text) == (503, True)

        await eventually(unready, 10)  # what was found is told for a second
        assert (await worker.get("/health/live"))[0] == 200

        started = time.monotonic()
        assert await worker.stop() == 0
        assert time.monotonic() - started < 10
        assert "Traceback" not in worker.log


async def _requested(office: PostOffice, count: int) -> bool:
    return await office.requests() >= count


async def _accepted(office: PostOffice, count: int) -> bool:
    return office.sendgrid.mailbox.count() >= count


async def _all_arrived(office: PostOffice, count: int) -> bool:
    return office.sendgrid.mailbox.distinct_event_ids >= count
