"""`python -m email_service dead-letters …`, as an operator types it."""

from __future__ import annotations

import json

import pytest

from dev_stack.mail_stand_in import Fault
from tests.email_service.post_office import PostOffice

pytestmark = pytest.mark.anyio


async def test_a_mended_mail_is_replayed_and_an_ended_code_is_refused(office: PostOffice) -> None:
    refusal = office.sendgrid.faults.add(Fault(status=400, to="mended@example.org"))
    mended = await office.ask("mended@example.org")
    await office.ask("late@example.org", lives=-1)
    async with office.worker():
        letters = {letter.end.reason: letter for letter in await office.dead_letters(2)}

    code, listed, _ = await office.command("dead-letters", "list")
    assert code == 0
    assert all(letter.id in listed and letter.end.reason in listed for letter in letters.values())
    assert "mended@example.org" not in listed

    code, shown, _ = await office.command("dead-letters", "show", letters["refused"].id)
    assert json.loads(shown)["content"]["address"] == "mended@example.org"
    assert mended.code not in shown

    code, told, _ = await office.command("dead-letters", "replay", letters["expired"].id)
    assert (code, "its code has ended" in told) == (1, True)

    office.sendgrid.faults.remove(refusal)
    code, told, _ = await office.command("dead-letters", "replay", "--all")
    assert (code, "replayed" in told) == (0, True)
    async with office.worker():
        mail = await office.mail_to("mended@example.org")
    assert (mail.code, mail.event_id) == (mended.code, mended.event_id)

    _, listed, _ = await office.command("dead-letters", "list", "--json")
    assert [json.loads(line)["id"] for line in listed.splitlines()] == [letters["expired"].id]

    code, _, _ = await office.command("dead-letters", "drop", letters["expired"].id)
    assert (code, await office.dead_letters(0)) == (0, [])


async def test_a_notice_of_yesterday_is_not_replayed(office: PostOffice) -> None:
    await office.tell("password-changed", "late@example.org", ago=24 * 60 * 60 + 1)
    async with office.worker():
        [letter] = await office.dead_letters(1)

    code, told, _ = await office.command("dead-letters", "replay", letter.id)
    assert (code, "it is no news any more" in told) == (1, True)


async def test_an_unknown_id_and_silent_brokers_are_told_plainly(office: PostOffice) -> None:
    code, _, errors = await office.command("dead-letters", "show", "send-otp.dead/0/99")
    assert (code, errors.strip()) == (1, "No dead letter waits under send-otp.dead/0/99.")

    code, _, errors = await office.command("dead-letters", "list", KAFKA_BROKER="127.0.0.1:1")
    assert code == 1
    assert errors.splitlines()[-1].startswith("Not now: ")
