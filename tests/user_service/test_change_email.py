"""An account moves to an address whose mailbox is proven, and both addresses are told."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx
import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import (
    Person,
    fresh_address,
    fresh_network,
    log_in,
    member,
    outcome,
    register,
    sign_in,
    verify,
    wrong,
)
from tests.recoveries import ask_to_recover, recover, recovered, reset
from tests.service_process import ServiceProcess
from tests.user_service.ledger import audited, held, id_of, told
from tests.user_service.moving import CHANGE, Mover
from tests.user_service.time_travel import copied, count_keys, forget, let_pass

pytestmark = pytest.mark.anyio

EXPIRED = (410, "code_expired")
WRONG = (400, "wrong_code")
SPENT = (429, "guesses_spent")
WAIT = (429, "too_many_requests")
TAKEN = (409, "address_taken")
REJECTED = (401, "token_rejected")
OTHER_PASSWORD = "velvet anchor ninety"


async def email_of(client: httpx.AsyncClient, mover: Mover) -> str:
    answer = await client.get("/api/auth/profile", headers=mover.headers)
    email: str = answer.json()["data"]["user"]["email"]
    return email


async def test_the_code_moves_the_account_and_one_logs_in_with_the_new_address_only(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    mover = await Mover.ready(service, mailroom)
    old = mover.person.email
    async with service.client() as client:
        asked = await mover.ask(client, new_email=mover.wanted.upper())
        started = asked.json()["data"]
        assert (asked.status_code, started["expires_in"], started["resend_in"]) == (202, 600, 60)
        event = mailroom.about(started["change_id"])
        assert (event.purpose, event.email) == ("change-email", "one-time-code")
        assert event.address == mover.wanted
        assert await email_of(client, mover) == old  # nothing has happened yet

        answer = await mover.verify(client, mailroom.code(started["change_id"]))
        user = answer.json()["data"]["user"]
        assert (answer.status_code, user["email"]) == (200, mover.wanted)
        assert await email_of(client, mover) == mover.wanted
        assert outcome(await log_in(client, mover.person)) == (401, "wrong_credentials")
        mover.person.email = mover.wanted
        assert (await log_in(client, mover.person)).status_code == 200


async def test_both_addresses_and_other_services_are_told_once(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    mover = await Mover.ready(service, mailroom)
    old, new = mover.person.email, mover.wanted
    async with service.client() as client:
        code = mailroom.code(change_id := await mover.begin(client))
        for _ in range(3):  # the first answer may have been lost
            assert (await mover.verify(client, code)).status_code == 200
            assert (await mover.verify(client, code, change_id)).status_code == 200
    id = await id_of(corner, new)
    changed, *notices = await told(corner, id, "email_changed", "send-notice")
    assert (changed["email"], changed["account_version"]) == (new, 3)
    assert [(notice["email"], notice["address"]) for notice in notices] == [
        ("email-changed", old),
        ("email-changed", new),
    ]
    # Whoever reads the old mailbox learns no address from it.
    assert all(new not in notice["facts"]["new_address"] for notice in notices)
    assert (await audited(corner, id))[-2:] == [
        ("email_change_requested", "done"),
        ("email_changed", "done"),
    ]


async def test_a_repetition_succeeds_though_the_first_one_was_never_settled(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    """Redis failed between the commit and the mark, or lost its last second."""
    mover = await Mover.ready(service, mailroom)
    async with service.client() as client:
        change_id = await mover.begin(client)
        key = f"challenge:change-email:{change_id}"
        with copied(corner, key):
            assert (await mover.verify(client, mailroom.code(change_id))).status_code == 200
        assert (await mover.verify(client, mailroom.code(change_id))).status_code == 200
    events = await told(corner, await id_of(corner, mover.wanted), "email_changed")
    assert len(events) == 1


async def test_a_move_that_was_cut_off_between_the_code_and_the_commit_costs_no_code(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    mover = await Mover.ready(service, mailroom)
    async with service.client() as client:
        code = mailroom.code(await mover.begin(client))
        async with held(corner, await id_of(corner, mover.person.email)):
            assert outcome(await mover.verify(client, code)) == (503, "unavailable")
        assert await email_of(client, mover) == mover.person.email
        assert (await mover.verify(client, code)).status_code == 200
        assert await email_of(client, mover) == mover.wanted


async def test_ten_minutes_later_the_repetition_is_too_late(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    mover = await Mover.ready(service, mailroom)
    async with service.client() as client:
        code = mailroom.code(await mover.begin(client))
        let_pass(corner, 500)
        assert (await mover.verify(client, code)).status_code == 200
        let_pass(corner, 590)
        assert (await mover.verify(client, code)).status_code == 200
        let_pass(corner, 20)
        assert outcome(await mover.verify(client, code)) == EXPIRED


async def test_a_code_lives_ten_minutes(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    mover = await Mover.ready(service, mailroom)
    async with service.client() as client:
        code = mailroom.code(await mover.begin(client))
        let_pass(corner, 610)
        assert outcome(await mover.verify(client, code)) == EXPIRED


async def test_the_newest_change_counts_and_the_one_before_is_dead(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    mover = await Mover.ready(service, mailroom)
    first_wish, later_wish = mover.wanted, fresh_address()
    async with service.client() as client:
        first = await mover.begin(client)
        mover.wanted = later_wish
        later = await mover.begin(client)
        assert count_keys(corner, f"challenge:change-email:{first}") == 0
        code = mailroom.code(first)
        assert outcome(await mover.verify(client, code, first)) == EXPIRED
        assert outcome(await mover.verify(client, code)) == WRONG
        assert (await mover.verify(client, mailroom.code(later), later)).status_code == 200
        assert await email_of(client, mover) == later_wish
    assert await corner.fetch("SELECT FROM accounts WHERE email = $1", first_wish) == []


async def test_the_password_is_asked_for_and_guessing_it_is_throttled(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    mover = await Mover.ready(service, mailroom)
    async with service.client() as client:
        answers = [await mover.ask(client, password=OTHER_PASSWORD) for _ in range(6)]
        assert [outcome(each) for each in answers] == [(403, "wrong_password")] * 5 + [WAIT]
        assert outcome(await mover.ask(client)) == WAIT
    assert mailroom.all_to(mover.wanted) == []


async def test_what_is_no_address_or_ones_own_is_refused_by_the_fields_name(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    mover = await Mover.ready(service, mailroom)
    own = mover.person.email
    async with service.client() as client:
        for address in ("not an address", "ann@", "änn@example.org", own, own.upper()):
            refused = await mover.ask(client, new_email=address)
            assert outcome(refused) == (400, "invalid_request"), address
            assert [error["field"] for error in refused.json()["errors"]] == ["new_email"], address
    assert len(mailroom.all_to(own)) == 1  # the registration's


# -- codes ---------------------------------------------------------------------------------------


async def test_of_five_guesses_the_fifth_may_be_right_and_a_sixth_is_not_looked_at(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    lucky, unlucky = [await Mover.ready(service, mailroom) for _ in range(2)]
    async with service.client() as client:
        for mover, misses, last in ((lucky, 4, (200, "")), (unlucky, 5, SPENT)):
            code = mailroom.code(await mover.begin(client))
            guesses = [await mover.verify(client, wrong(code)) for _ in range(misses)]
            assert [outcome(guess) for guess in guesses] == [WRONG] * misses
            assert outcome(await mover.verify(client, code)) == last


async def test_of_fifty_parallel_wrong_codes_five_are_evaluated(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    mover = await Mover.ready(service, mailroom)
    async with service.client() as client:
        code = mailroom.code(await mover.begin(client))
        codes = [f"{(int(code) + 1 + number) % 10**6:06}" for number in range(50)]
        guesses = await asyncio.gather(*[mover.verify(client, each) for each in codes])
        assert Counter(outcome(guess) for guess in guesses) == {WRONG: 5, SPENT: 45}
        assert outcome(await mover.verify(client, code)) == SPENT


async def test_parallel_right_codes_move_the_account_once(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    mover = await Mover.ready(service, mailroom)
    async with service.client() as client:
        code = mailroom.code(await mover.begin(client))
        answers = await asyncio.gather(*[mover.verify(client, code) for _ in range(8)])
    assert Counter(answer.status_code for answer in answers) == {200: 8}
    assert len(await told(corner, await id_of(corner, mover.wanted), "email_changed")) == 1


async def test_a_code_of_another_account_or_purpose_moves_nobody(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    """Telekom CVE-2025-69614, Mantis GHSA-93x3-m7pw-ppqm."""
    mover, other = [await Mover.ready(service, mailroom) for _ in range(2)]
    newcomer = Person(email=mover.wanted)
    async with service.client() as client:
        own, foreign = await mover.begin(client), await other.begin(client)
        registration, recovery = (
            await register(client, newcomer),
            await recover(client, mover.person),
        )
        for id in (foreign, registration, recovery):
            assert outcome(await mover.verify(client, mailroom.code(id), id)) == EXPIRED
            assert outcome(await mover.verify(client, mailroom.code(id))) == WRONG
        # Its guesses are its own: a stranger who knows its id burns none of them.
        code = mailroom.code(foreign)
        for _ in range(6):
            assert outcome(await mover.verify(client, wrong(code), foreign)) == EXPIRED
        assert (await other.verify(client, code)).status_code == 200
        # And the other way round.
        code = mailroom.code(own)
        assert outcome(await verify(client, newcomer, registration, code)) == WRONG
        assert outcome(await verify(client, newcomer, own, code)) == EXPIRED
        assert outcome(await reset(client, mover.person, recovery, code)) == WRONG
        assert outcome(await reset(client, newcomer, own, code)) == EXPIRED
        assert (await mover.verify(client, code, own)).status_code == 200


# -- what ends a change, and what a change ends ----------------------------------------------------


async def test_a_reset_of_the_password_ends_the_pending_change(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    """Sudhodanan and Paverd: an unexpired change of address outlives the victim's recovery."""
    mover = await Mover.ready(service, mailroom)
    async with service.client() as client:
        change_id = await mover.begin(client)
        await recovered(client, mailroom, mover.person)
        mover.tokens = await sign_in(client, mover.person)
        code = mailroom.code(change_id)
        assert outcome(await mover.verify(client, code)) == EXPIRED
        assert outcome(await mover.verify(client, code, change_id)) == EXPIRED
        assert await email_of(client, mover) == mover.person.email


async def test_a_change_of_the_password_ends_the_pending_change(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    mover = await Mover.ready(service, mailroom)
    async with service.client() as client:
        change_id = await mover.begin(client)
        body = {"current_password": mover.person.password, "new_password": OTHER_PASSWORD}
        changed = await client.post("/api/auth/change-password", json=body, headers=mover.headers)
        assert changed.status_code == 200
        assert outcome(await mover.verify(client, mailroom.code(change_id))) == EXPIRED


@pytest.mark.parametrize(
    "meanwhile",
    ["epoch = epoch + 1", "address_challenge = NULL", "address_challenge = repeat('A', 32)"],
    ids=["another password", "a reset", "another change"],
)
async def test_what_happens_between_the_guess_and_the_commit_ends_the_change(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner, meanwhile: str
) -> None:
    mover = await Mover.ready(service, mailroom)
    async with service.client() as client:
        code = mailroom.code(await mover.begin(client))
        id = await id_of(corner, mover.person.email)
        async with held(corner, id) as lock:
            moving = asyncio.create_task(mover.verify(client, code))
            await lock.waiting(1)
            await lock.execute(f"UPDATE accounts SET {meanwhile} WHERE id = $1", id)
        assert outcome(await moving) == EXPIRED
        assert await email_of(client, mover) == mover.person.email


async def test_a_change_asked_for_with_a_password_that_was_changed_meanwhile_never_begins(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    mover = await Mover.ready(service, mailroom)
    async with service.client() as client:
        id = await id_of(corner, mover.person.email)
        async with held(corner, id) as lock:
            asking = asyncio.create_task(mover.ask(client))
            await lock.waiting(1)
            await lock.execute("UPDATE accounts SET epoch = epoch + 1 WHERE id = $1", id)
        assert outcome(await asking) == (403, "wrong_password")
    ((challenge,),) = await corner.fetch("SELECT address_challenge FROM accounts WHERE id = $1", id)
    assert challenge is None


async def test_after_the_change_the_old_mailbox_recovers_nothing(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    mover = await Mover.ready(service, mailroom)
    old = Person(email=mover.person.email)
    async with service.client() as client:
        recovery_id = await recover(client, old)
        await mover.move(client, mailroom)
        late = await reset(client, old, recovery_id, mailroom.code(recovery_id))
        assert outcome(late) == EXPIRED
        old.network = fresh_network()
        asked_again = await ask_to_recover(client, old)
        assert asked_again.status_code == 202
        decoy = mailroom.about(asked_again.json()["data"]["recovery_id"])
        assert decoy.email == "decoy-message"
        assert (await log_in(client, mover.person)).status_code == 200


async def test_the_old_address_can_register_at_once(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    mover = await Mover.ready(service, mailroom)
    newcomer = Person(email=mover.person.email)
    async with service.client() as client:
        await mover.move(client, mailroom)
        registration_id = await register(client, newcomer)
        answer = await verify(client, newcomer, registration_id, mailroom.code(registration_id))
        assert answer.status_code == 201


async def test_no_dead_token_asks_or_moves(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    loggedout, expired, disabled = [await Mover.ready(service, mailroom) for _ in range(3)]
    movers = (loggedout, expired, disabled)
    async with service.client() as client:
        codes = [mailroom.code(await mover.begin(client)) for mover in movers]
        await client.post("/api/auth/logout", headers=loggedout.headers)
        await corner.fetch(
            "UPDATE sessions SET expires_at = now() WHERE account_id = $1",
            await id_of(corner, expired.person.email),
        )
        await corner.fetch(
            "UPDATE accounts SET status = 'disabled' WHERE email = $1", disabled.person.email
        )
        for mover, code in zip(movers, codes, strict=True):
            guesses = [await mover.verify(client, wrong(code)) for _ in range(6)]
            assert [outcome(guess) for guess in guesses] == [REJECTED] * 6
            assert outcome(await mover.verify(client, code)) == REJECTED
            mover.wanted = fresh_address()
            assert outcome(await mover.ask(client)) == REJECTED
            assert mailroom.all_to(mover.wanted) == []
        assert outcome(
            await client.post(CHANGE, json={"new_email": "a@b.org", "password": "x"})
        ) == (REJECTED)


# -- taken addresses -------------------------------------------------------------------------------


async def test_an_address_that_is_taken_meanwhile_is_refused_to_whoever_has_proven_it(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    mover = await Mover.ready(service, mailroom)
    async with service.client() as client:
        code = mailroom.code(await mover.begin(client))
        await member(service, mailroom, email=mover.wanted)
        for _ in range(2):
            assert outcome(await mover.verify(client, code)) == TAKEN
        assert await email_of(client, mover) == mover.person.email
    id = await id_of(corner, mover.person.email)
    assert await told(corner, id, "email_changed", "send-notice") == []


async def test_two_who_prove_one_mailbox_at_once_do_not_both_get_it(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    movers = [await Mover.ready(service, mailroom) for _ in range(2)]
    movers[1].wanted = movers[0].wanted
    async with service.client() as client:
        codes = [mailroom.code(await mover.begin(client)) for mover in movers]
        answers = await asyncio.gather(
            *[mover.verify(client, code) for mover, code in zip(movers, codes, strict=True)]
        )
    assert sorted(outcome(answer) for answer in answers) == [(200, ""), TAKEN]
    assert len(await corner.fetch("SELECT FROM accounts WHERE email = $1", movers[0].wanted)) == 1


async def test_a_taken_address_cannot_be_had_by_any_code(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    holder = await member(service, mailroom)
    mover = await Mover.ready(service, mailroom)
    mover.wanted = holder.email
    async with service.client() as client:
        change_id = await mover.begin(client)
        event = mailroom.about(change_id)
        assert (event.email, event.address) == ("address-taken", holder.email)
        # Even the code that its event would derive is refused: the mail holds none.
        code = mailroom.code(change_id)
        guesses = [await mover.verify(client, code) for _ in range(6)]
        assert [outcome(guess) for guess in guesses] == [WRONG] * 5 + [SPENT]
        assert (await log_in(client, holder)).status_code == 200


async def test_the_new_address_has_a_budget_of_mails_of_its_own(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    mover = await Mover.ready(service, mailroom)
    nosy = [await Mover.ready(service, mailroom) for _ in range(3)]
    async with service.client() as client:
        first = await mover.begin(client)
        refused = await mover.ask(client)  # one a minute from one network
        assert outcome(refused) == WAIT
        assert 50 <= int(refused.headers["retry-after"]) <= 60
        for each in nosy:
            each.wanted = mover.wanted
        answers = [outcome(await each.ask(client)) for each in nosy]
        assert answers == [(202, ""), (202, ""), WAIT]  # three from all together
        # What was refused has not ended what was begun.
        assert (await mover.verify(client, mailroom.code(first))).status_code == 200
    assert len(mailroom.all_to(mover.wanted)) == 3


async def test_a_network_asks_twenty_times_a_minute(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    mover = await Mover.ready(service, mailroom)
    async with service.client() as client:
        answers = [outcome(await mover.ask(client, new_email="no address")) for _ in range(40)]
    # One more is admitted every three seconds, and a busy machine takes some.
    assert 20 <= answers.index(WAIT) < 35


async def test_without_its_challenge_a_change_is_expired(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    """A failover to an empty Redis."""
    mover = await Mover.ready(service, mailroom)
    async with service.client() as client:
        assert outcome(await mover.verify(client, "123456")) == EXPIRED
        change_id = await mover.begin(client)
        code = mailroom.code(change_id)
        forget(corner, f"challenge:change-email:{change_id}")
        assert outcome(await mover.verify(client, code)) == EXPIRED
