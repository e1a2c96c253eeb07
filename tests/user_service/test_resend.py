"""Another code for the same attempt, which keeps its count of wrong ones."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import (
    Person,
    ask_to_register,
    fresh_network,
    outcome,
    register,
    resend,
    verify,
    wrong,
)
from tests.service_process import ServiceProcess
from tests.user_service.barrage import Shot, at_once
from tests.user_service.time_travel import let_pass

pytestmark = pytest.mark.anyio


async def test_after_a_resend_only_the_new_code_is_right(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = Person()
    async with service.client() as client:
        registration_id = await register(client, person)
        old = mailroom.code(registration_id)
        let_pass(corner, 60)
        answer = await resend(client, person, registration_id)
        assert answer.status_code == 202
        data = answer.json()["data"]
        assert data == {"registration_id": registration_id, "expires_in": 600, "resend_in": 60}

        new = mailroom.code(registration_id, sequence=2)
        assert new != old
        refused = await verify(client, person, registration_id, old)
        assert outcome(refused) == (400, "wrong_code")
        assert (await verify(client, person, registration_id, new)).status_code == 201


async def test_a_resend_never_resets_the_failures(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = Person()
    async with service.client() as client:
        registration_id = await register(client, person)
        outcomes: Counter[tuple[int, str]] = Counter()
        for sequence in (1, 2, 3):
            code = mailroom.code(registration_id, sequence)
            for _ in range(2):
                answer = await verify(client, person, registration_id, wrong(code))
                outcomes[outcome(answer)] += 1
            let_pass(corner, 60)
            if sequence < 3:
                assert (await resend(client, person, registration_id)).status_code == 202
        assert outcomes == {(400, "wrong_code"): 5, (429, "guesses_spent"): 1}
        late = await verify(client, person, registration_id, code)
    assert outcome(late) == (429, "guesses_spent")


async def test_a_day_of_resending_and_registering_yields_at_most_fifty_guesses(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    """NIST SP 800-63B allows 100; from a new network each time, so that none of its limits help."""
    person = Person()
    evaluated = 0
    async with service.client() as client:
        for _ in range(30):
            let_pass(corner, 24 * 3600 / 30 - 10)
            person.network = fresh_network()
            registered = await ask_to_register(client, person)
            if registered.status_code != 202:
                assert outcome(registered) == (429, "too_many_requests")
                continue
            registration_id = registered.json()["data"]["registration_id"]
            code = mailroom.code(registration_id)
            for _ in range(6):
                answer = await verify(client, person, registration_id, wrong(code))
                evaluated += outcome(answer) == (400, "wrong_code")
            let_pass(corner, 10)
            person.network = fresh_network()
            again = await resend(client, person, registration_id)
            assert outcome(again) in [(429, "guesses_spent"), (429, "too_many_requests")]
    assert evaluated == 50
    assert len(mailroom.all_to(person.email)) == 10


async def test_an_attempt_without_guesses_is_not_resent_and_nothing_is_mailed(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = Person()
    async with service.client() as client:
        registration_id = await register(client, person)
        code = mailroom.code(registration_id)
        for _ in range(5):
            await verify(client, person, registration_id, wrong(code))
        let_pass(corner, 60)
        for _ in range(3):
            answer = await resend(client, person, registration_id)
            assert outcome(answer) == (429, "guesses_spent")
        assert len(mailroom.all_to(person.email)) == 1
        # Nothing was mailed, so nothing of the address's budget was spent either.
        assert (await ask_to_register(client, person)).status_code == 202


async def test_a_finished_registration_is_not_resent_and_nothing_is_mailed(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = Person()
    async with service.client() as client:
        registration_id = await register(client, person)
        await verify(client, person, registration_id, mailroom.code(registration_id))
        let_pass(corner, 60)
        answer = await resend(client, person, registration_id)
    assert outcome(answer) == (429, "guesses_spent")
    assert len(mailroom.all_to(person.email)) == 1


async def test_a_dead_or_unknown_attempt_is_not_resent_and_nothing_is_mailed(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = Person()
    async with service.client() as client:
        registration_id = await register(client, person)
        let_pass(corner, 1801)
        for asked_for in (registration_id, "A" * 32):
            answer = await resend(client, person, asked_for)
            assert outcome(answer) == (410, "code_expired")
    assert len(mailroom.all_to(person.email)) == 1


async def test_resending_needs_to_name_the_attempt(service: ServiceProcess) -> None:
    async with service.client(fresh_network()) as client:
        answer = await client.post("/api/auth/resend-otp", json={})
    assert outcome(answer) == (400, "registration_id_required")


async def test_past_the_address_cap_nothing_is_resent_and_the_live_code_still_verifies(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = Person()
    async with service.client() as client:
        registration_id = await register(client, person)
        refused = await resend(client, person, registration_id)
        assert outcome(refused) == (429, "too_many_requests")
        assert 55 <= int(refused.headers["retry-after"]) <= 60
        assert len(mailroom.all_to(person.email)) == 1
        verified = await verify(client, person, registration_id, mailroom.code(registration_id))
    assert verified.status_code == 201


async def test_parallel_resends_mail_what_they_promise_and_the_newest_code_is_right(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = Person()
    async with service.client() as client:
        registration_id = await register(client, person)
        let_pass(corner, 60)
        body = {"registration_id": registration_id}
        shots = [Shot("/api/auth/resend-otp", body, fresh_network()) for _ in range(20)]
        hits = await at_once(service, shots)
        promised = sum(hit.status == 202 for hit in hits)
        assert 1 <= promised <= 3  # a minute's mails from all networks together
        assert {hit.status for hit in hits} == {202, 429}
        mailed = [event.sequence for event in mailroom.all_to(person.email)]
        assert sorted(mailed) == list(range(1, promised + 2))
        newest = mailroom.code(registration_id, max(mailed))
        assert (await verify(client, person, registration_id, newest)).status_code == 201


async def test_a_code_lives_ten_minutes_from_its_own_sending(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = Person()
    async with service.client() as client:
        registration_id = await register(client, person)
        let_pass(corner, 605)
        refused = await verify(client, person, registration_id, mailroom.code(registration_id))
        assert outcome(refused) == (410, "code_expired")

        assert (await resend(client, person, registration_id)).status_code == 202
        let_pass(corner, 590)
        newest = mailroom.code(registration_id, sequence=2)
        assert (await verify(client, person, registration_id, newest)).status_code == 201
