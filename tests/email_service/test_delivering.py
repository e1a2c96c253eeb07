"""What a worker does with each kind of message, as the process it is."""

from __future__ import annotations

import json
import re

import pytest
import redis.asyncio

from dev_stack.mail_stand_in import Fault
from email_service.delivered import PREFIX
from shared.events import encode, headers, new_id
from shared.topics import SEND_NOTICE
from tests.email_service.post_office import PostOffice, eventually

pytestmark = pytest.mark.anyio

SIX_DIGITS = re.compile(r"(?<![\w.-])\d{6}(?![\w-])")


async def test_every_mail_is_sent_once_with_the_derived_code(office: PostOffice) -> None:
    asked = await office.ask_many([f"person{n}@example.org" for n in range(200)])

    async with office.worker() as worker:
        for one in asked:
            mail = await office.mail_to(one.event.address)
            assert mail.code == one.code
            assert mail.event_id == one.event_id
            assert one.code not in mail.subject
        # Counted once they are marked, a moment after they came.
        await worker.shows("gatepost_mails_delivered_total", 200)
        assert await worker.metric("gatepost_mail_seconds_count") == 200

    assert (office.sendgrid.mailbox.count(), office.sendgrid.mailbox.doubled) == (200, 0)
    assert not any(one.event.address in worker.log for one in asked)
    # Standing alone: among so many times to the microsecond some end in somebody's code.
    assert {one.code for one in asked}.isdisjoint(SIX_DIGITS.findall(worker.log))


async def test_a_decoy_is_dropped_and_a_taken_address_gets_its_own_mail(
    office: PostOffice,
) -> None:
    await office.ask("nobody@example.org", email="decoy-message")
    await office.ask("owner@example.org", email="address-taken")

    async with office.worker() as worker:
        mail = await office.mail_to("owner@example.org")
        assert mail.subject == "You already have a Gatepost account"
        assert mail.code is None
        await worker.shows("gatepost_mails_lag", 0)

    assert office.sendgrid.mailbox.count() == 1
    assert await office.dead_letters(0) == []


async def test_an_expired_code_is_never_sent(office: PostOffice) -> None:
    await office.ask("late@example.org", lives=-1)
    await office.ask("intime@example.org")

    async with office.worker() as worker:
        [letter] = await office.dead_letters(1)
        await office.mail_to("intime@example.org")
        assert await worker.metric("gatepost_mails_expired_total") == 1

    assert letter.end.reason == "expired"
    assert office.sendgrid.mailbox.count("late@example.org") == 0


async def test_an_event_that_was_mailed_before_is_skipped(office: PostOffice) -> None:
    event_id = new_id()
    async with office.worker() as worker:
        await office.ask("once@example.org", event_id=event_id)
        await office.mail_to("once@example.org")
        await office.ask("once@example.org", event_id=event_id)
        await worker.shows("gatepost_mails_skipped_total", 1)

    assert office.sendgrid.mailbox.count() == 1


async def test_an_event_that_comes_twice_at_once_is_mailed_once(office: PostOffice) -> None:
    event_id = new_id()
    office.sendgrid.faults.add(Fault(delay_ms=300))
    for _ in range(2):
        await office.ask("once@example.org", event_id=event_id, challenge_id="the same partition")

    async with office.worker() as worker:
        await worker.shows("gatepost_mails_skipped_total", 1)

    assert office.sendgrid.mailbox.count() == 1


async def test_what_another_worker_has_mailed_while_it_waited_for_its_turn_is_skipped(
    office: PostOffice,
) -> None:
    office.sendgrid.faults.add(Fault(delay_ms=2000, times=1))
    async with office.worker(EMAIL_CONCURRENCY="1") as worker:
        await office.ask("first@example.org")
        await eventually(lambda: _asked(office))
        waiting = await office.ask("second@example.org")
        await worker.shows("gatepost_mails_undecided", 2)
        async with redis.asyncio.Redis.from_url(office.redis_url) as marks:
            await marks.set(PREFIX + waiting.event_id, 1)
        await worker.shows("gatepost_mails_skipped_total", 1)

    assert office.sendgrid.mailbox.count("second@example.org") == 0


async def _asked(office: PostOffice) -> bool:
    return await office.requests() > 0


async def test_a_mail_that_was_in_time_is_not_called_expired_when_it_comes_again(
    office: PostOffice,
) -> None:
    event_id = new_id()
    async with office.worker() as worker:
        await office.ask("once@example.org", event_id=event_id)
        await office.mail_to("once@example.org")
        await office.ask("once@example.org", event_id=event_id, lives=-1)
        await worker.shows("gatepost_mails_skipped_total", 1)

    assert await office.dead_letters(0) == []


async def test_poison_becomes_dead_letters_and_stops_nobody(office: PostOffice) -> None:
    good = headers(new_id(), "send-otp")
    await office.produce(b"{not json", good)
    await office.produce(None, good)
    await office.produce(b'{"version": 1}', good, key="key")
    await office.produce(b"[" * 100_000, good)
    # Room for its own header, and none for those of a dead letter.
    await office.produce(b"x" * 999_900, [("ce_id", b"huge")])
    await office.produce(b"{}", good, key="k" * 900_000)
    await office.produce(b'{"version": 1, "purpose": "%b"}' % (b"p" * 900_000), good)
    event = encode((await office.ask("fine@example.org")).event)
    await office.produce(b'{"more":' * 20_000 + b"1" + b"}" * 20_000, headers(new_id(), "send-otp"))
    await office.produce(event, [])
    await office.produce(event, [("ce_id", None)])  # type: ignore[list-item]
    await office.ask("victim@example.org\r\nBcc: other@example.org")
    await office.ask("Name <victim@example.org>")

    async with office.worker() as worker:
        letters = await office.dead_letters(12)
        await office.mail_to("fine@example.org")
        assert worker.process.poll() is None
        assert await worker.metric("gatepost_mails_dead_total") == 12

    assert {letter.end.reason for letter in letters} == {"malformed"}
    assert b"{not json" in {letter.value for letter in letters}
    assert office.sendgrid.mailbox.count() == 1


async def test_an_unknown_notice_waits_among_the_dead_letters_for_its_template(
    office: PostOffice,
) -> None:
    notice = b'{"email":"not-yet","address":"a@example.org","occurred_at":"2999-01-01T00:00:00Z"}'
    await office.produce(notice, headers(new_id(), "send-notice"), topic=SEND_NOTICE.name)

    async with office.worker():
        [letter] = await office.dead_letters(1)

    assert (letter.end.reason, letter.end.detail) == ("unknown email", "not-yet")
    assert letter.end.topic.endswith("send-notice")
    assert letter.value == notice


async def test_a_newer_version_with_more_fields_is_understood(office: PostOffice) -> None:
    asked = await office.ask("old@example.org")
    newer = json.loads(encode(asked.event)) | {
        "version": 2,
        "novelty": {"a": [1]},
        "address": "new@example.org",
    }
    await office.produce(json.dumps(newer).encode(), headers(new_id(), "send-otp"))

    async with office.worker():
        await office.mail_to("new@example.org")


async def test_mail_goes_on_without_redis(office: PostOffice) -> None:
    await office.ask("anyway@example.org")

    async with office.worker(REDIS_URL="redis://127.0.0.1:1/0") as worker:
        await office.mail_to("anyway@example.org")
        await worker.shows("gatepost_mails_undeduplicated_total", 2)
        status, health = await worker.get("/health")
        assert (await worker.get("/health/ready"))[0] == 200

    assert status == 200
    assert json.loads(health)["status"] == "degraded"
