"""However many guesses arrive at once, five are evaluated (Keycloak CVE-2024-4629)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person, fresh_network, outcome, register, verify, wrong
from tests.service_process import ServiceProcess
from tests.user_service.barrage import Shot, at_once

pytestmark = pytest.mark.anyio

VERIFY = "/api/auth/verify-otp"
WRONG = (400, "wrong_code")
SPENT = (429, "guesses_spent")
# What a thousand at once may be answered where the machine has other work besides.
OVERRUN = (503, "unavailable")


@pytest.fixture(scope="module")
def crowd(corner: Corner) -> Iterator[ServiceProcess]:
    """Four processes, and no network's limit in the way of the guesses."""
    settings = {"WORKERS": "4", "LIMIT_VERIFY": "1000000/minute"}
    with ServiceProcess.started(corner.variables, **settings) as crowd:
        yield crowd


async def require_five_evaluated(crowd: ServiceProcess, mailroom: Mailroom, guesses: int) -> None:
    """Fire as many different wrong codes at one attempt, then find that the right one is late."""
    person = Person()
    async with crowd.client() as client:
        registration_id = await register(client, person)
        code = mailroom.code(registration_id)
        wrong_codes = [f"{(int(code) + 1 + i) % 10**6:06}" for i in range(guesses)]
        named = {"email": person.email, "registration_id": registration_id}
        shots = [Shot(VERIFY, {**named, "otp": otp}, person.network) for otp in wrong_codes]
        outcomes = Counter((hit.status, hit.code) for hit in await at_once(crowd, shots))
        assert set(outcomes) <= {WRONG, SPENT, OVERRUN}
        assert outcomes[WRONG] <= 5
        if not outcomes[OVERRUN]:
            assert outcomes[WRONG] == 5

        for _ in range(5):
            late = await verify(client, person, registration_id, code)
            if outcome(late) != OVERRUN:
                break
            await asyncio.sleep(int(late.headers["retry-after"]))
    assert outcome(late) == SPENT


@pytest.mark.parametrize("repeat", [1, 2, 3])
async def test_of_a_thousand_parallel_wrong_codes_five_are_evaluated(
    crowd: ServiceProcess, mailroom: Mailroom, repeat: int
) -> None:
    await require_five_evaluated(crowd, mailroom, 1000)


async def test_of_fifty_parallel_wrong_codes_five_are_evaluated_twenty_times_over(
    crowd: ServiceProcess, mailroom: Mailroom
) -> None:
    for _ in range(20):
        await require_five_evaluated(crowd, mailroom, 50)


async def test_guesses_from_all_networks_count_together(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = Person()
    async with service.client() as client:
        registration_id = await register(client, person)
        code = mailroom.code(registration_id)
        for _ in range(5):
            person.network = fresh_network()
            answer = await verify(client, person, registration_id, wrong(code))
            assert outcome(answer) == (400, "wrong_code")
        person.network = fresh_network()
        answer = await verify(client, person, registration_id, code)
    assert outcome(answer) == (429, "guesses_spent")


async def test_the_fifth_guess_may_be_the_right_one(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = Person()
    async with service.client() as client:
        registration_id = await register(client, person)
        code = mailroom.code(registration_id)
        for _ in range(4):
            await verify(client, person, registration_id, wrong(code))
        assert (await verify(client, person, registration_id, code)).status_code == 201
        # Its answer may have been lost, and the same request must succeed again.
        assert (await verify(client, person, registration_id, code)).status_code == 201


async def test_wrong_codes_count_after_the_right_one_too(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = Person()
    async with service.client() as client:
        registration_id = await register(client, person)
        code = mailroom.code(registration_id)
        assert (await verify(client, person, registration_id, code)).status_code == 201
        answers = [await verify(client, person, registration_id, wrong(code)) for _ in range(9)]
        outcomes = Counter(outcome(answer) for answer in answers)
        assert outcomes == {(400, "wrong_code"): 5, (429, "guesses_spent"): 4}
        late = await verify(client, person, registration_id, code)
    assert outcome(late) == (429, "guesses_spent")


@pytest.mark.parametrize("at_a_time", [8, 50])
async def test_parallel_right_codes_make_one_account_and_one_event(
    crowd: ServiceProcess, mailroom: Mailroom, corner: Corner, at_a_time: int
) -> None:
    person = Person()
    async with crowd.client() as client:
        registration_id = await register(client, person)
    body = {
        "email": person.email,
        "otp": mailroom.code(registration_id),
        "registration_id": registration_id,
    }
    hits = await at_once(crowd, [Shot(VERIFY, body, person.network)] * at_a_time)
    assert Counter(hit.status for hit in hits) == {201: at_a_time}
    (user_id,) = {hit.body["data"]["user"]["id"] for hit in hits}
    rows = await corner.fetch("SELECT id FROM accounts WHERE email = $1", person.email)
    assert [str(row["id"]) for row in rows] == [user_id]
    events = await corner.fetch("SELECT topic FROM outbox WHERE key = $1", user_id)
    assert [event["topic"] for event in events] == ["user_registered"]
