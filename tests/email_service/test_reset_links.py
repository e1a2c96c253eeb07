"""The link in a reset mail: whoever has it sets the password, so it is in that mail alone."""

from __future__ import annotations

import pytest
import redis

from dev_stack.mail_stand_in import Fault
from shared.codes import Purpose
from tests.email_service.post_office import Asked, PostOffice, Worker, eventually

pytestmark = pytest.mark.anyio

PAGE = "https://app.example.org/reset"
SETTINGS = {"PASSWORD_RESET_URL": PAGE}


async def test_a_reset_mail_holds_the_code_and_a_link_to_the_page_of_the_setting(
    office: PostOffice,
) -> None:
    asked = await office.ask("owner@example.org", purpose="recover")

    async with office.worker(**SETTINGS):
        mail = await office.mail_to("owner@example.org")

    link = f"{PAGE}#token={asked.link_token}"
    assert asked.link_token.startswith(f"{asked.event.challenge_id}.")
    assert mail.code == asked.code
    assert f"    {link}\n" in mail.text
    assert f'href="{link}"' in mail.html
    assert mail.subject == "Set a new Gatepost password"


async def test_without_a_page_the_code_goes_alone(office: PostOffice) -> None:
    asked = await office.ask("owner@example.org", purpose="recover")

    async with office.worker():
        mail = await office.mail_to("owner@example.org")

    assert mail.code == asked.code
    assert asked.link_token not in mail.text + mail.html
    assert "://" not in mail.text


@pytest.mark.parametrize("purpose", ["register", "change-email"])
async def test_only_a_reset_mail_has_a_link_token(office: PostOffice, purpose: Purpose) -> None:
    asked = await office.ask("owner@example.org", purpose=purpose)

    async with office.worker(**SETTINGS):
        mail = await office.mail_to("owner@example.org")

    assert mail.code == asked.code
    assert _secret(asked) not in mail.text + mail.html
    assert PAGE not in mail.text + mail.html


async def test_a_redelivered_event_mails_the_same_link_and_code(office: PostOffice) -> None:
    # The worker that dies after the provider took the mail over, and before anybody noted it.
    office.sendgrid.faults.add(Fault(close="after_accept", times=1))
    asked = await office.ask("owner@example.org", purpose="recover")

    async with office.worker(**SETTINGS) as worker:
        await worker.shows("gatepost_mails_delivered_total", 1)

    mails = office.sendgrid.mailbox.newest("owner@example.org")
    assert len(mails) == 2
    assert all(asked.link_token in mail.body.decode() for mail in mails)
    assert all(asked.code in mail.body.decode() for mail in mails)


async def test_a_link_token_is_in_no_log_metric_mark_or_dead_letter(office: PostOffice) -> None:
    refused = await office.ask("refused@example.org", purpose="recover")
    office.sendgrid.faults.add(Fault(status=400, to="refused@example.org"))
    stuck = await office.ask("stuck@example.org", purpose="recover", lives=4)
    office.sendgrid.faults.add(Fault(status=503, to="stuck@example.org"))
    mailed = await office.ask("mailed@example.org", purpose="recover")

    async with office.worker(**SETTINGS, LOG_LEVEL="debug") as worker:
        await office.mail_to("mailed@example.org")
        letters = await office.dead_letters(2)
        _, metrics = await worker.get("/metrics")
        log = worker.log

    kept = log + metrics + str([(each.value, each.headers) for each in letters])
    kept += str(_marks(office.redis_url))
    assert {letter.event_id for letter in letters} == {refused.event_id, stuck.event_id}
    assert f"sent:{mailed.event_id}" in kept
    assert not [asked for asked in (refused, stuck, mailed) if _secret(asked) in kept]


async def test_a_link_of_an_unknown_key_waits_for_the_key(office: PostOffice) -> None:
    await office.ask("early@example.org", purpose="recover", kid="k2")
    async with office.worker(**SETTINGS) as worker:
        await eventually(lambda: _retried(worker))
        assert "OTP_KEYS has no key k2" in worker.log

    keys = office.variables["OTP_KEYS"] + ",k2:the-key-that-is-rolled-out-second"
    async with office.worker(**SETTINGS, OTP_KEYS=keys):
        mail = await office.mail_to("early@example.org")
    assert f"{PAGE}#token=" in mail.text
    assert office.sendgrid.mailbox.doubled == 0


async def test_an_unknown_address_gets_no_mail_of_a_recovery(office: PostOffice) -> None:
    await office.ask("nobody@example.org", purpose="recover", email="decoy-message")
    await office.ask("owner@example.org", purpose="recover")

    async with office.worker() as worker:
        await office.mail_to("owner@example.org")
        await worker.shows("gatepost_mails_lag", 0)

    assert office.sendgrid.mailbox.count() == 1
    assert await office.dead_letters(0) == []


def _secret(asked: Asked) -> str:
    """What of a link token nobody may know; before it stands the challenge's id."""
    return asked.link_token.rpartition(".")[2]


def _marks(redis_url: str) -> list[tuple[object, object]]:
    client = redis.Redis.from_url(redis_url)
    return [(key, client.get(key)) for key in client.keys("sent:*")]


async def _retried(worker: Worker) -> bool:
    return await worker.metric("gatepost_mails_retried_total") >= 1
