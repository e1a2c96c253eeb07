"""Redis is refused, hangs, runs out of memory or is killed: no guess is ever free."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable

import httpx
import pytest

from tests.faults.fault import Fault, dies, each, full_redis, hangs, lone_redis, refuses
from tests.faults.house import (
    ANSWER_SECONDS,
    KNOWN_OUTAGE_SECONDS,
    House,
    assert_unavailable,
    timed,
    until,
)
from tests.people import (
    Person,
    ask_to_register,
    fresh_network,
    log_in,
    member,
    outcome,
    register,
    resend,
    verify,
    wrong,
)

pytestmark = pytest.mark.anyio


EVERY = each(refuses("redis"), hangs("redis"), full_redis(), lone_redis(), dies("redis"))


@EVERY
async def test_codes_are_neither_issued_nor_evaluated_until_it_is_back(
    house: House, fault: Fault
) -> None:
    person = Person()
    async with house.service.client() as client:
        registration_id = await register(client, person)
        code = house.mailroom.code(registration_id)
        attempts = house.attempts()
        fault.begin(house)

        async def refused(request: asyncio.Future[httpx.Response]) -> float:
            answer, seconds = await timed(request)
            assert_unavailable(answer)
            return seconds

        def every_verb() -> list[asyncio.Future[float]]:
            elsewhere = Person(email=person.email, network=fresh_network())
            requests = [
                ask_to_register(client, Person()),
                resend(client, elsewhere, registration_id),
                verify(client, person, registration_id, wrong(code)),
                verify(client, person, None, wrong(code)),
            ]
            return [asyncio.ensure_future(refused(asyncio.ensure_future(r))) for r in requests]

        first = await asyncio.gather(*every_verb())
        assert max(first) < ANSWER_SECONDS
        known = [await request for _ in range(4) for request in every_verb()]
        assert statistics.median(known) < KNOWN_OUTAGE_SECONDS
        fault.end(house)

        patient = Person()

        async def registers() -> bool:
            answer = await ask_to_register(client, patient)
            assert answer.status_code in (202, 503), answer.text
            return answer.status_code == 202

        recovery = await until(registers)
        print(fault.name, f"first {max(first):.2f} s, known {statistics.median(known):.3f} s,")
        print(f"recovered in {recovery:.2f} s")

        key = f"challenge:register:{registration_id}"
        assert house.store.hmget(key, "guesses", "bare_guesses") == [b"0", b"0"]
        assert attempts < house.attempts()
        assert (await verify(client, person, registration_id, code)).status_code == 201


@EVERY
async def test_login_goes_on_with_a_throttle_of_its_own_and_profile_does_not_notice(
    house: House, fault: Fault
) -> None:
    ann, bob = [await member(house.service, house.mailroom) for _ in range(2)]
    async with house.service.client() as client:
        fault.begin(house)
        logged_in, seconds = await timed(log_in(client, ann))
        assert (logged_in.status_code, seconds < ANSWER_SECONDS) == (200, True)
        token = logged_in.json()["data"]["token"]
        for _ in range(3):
            profile, seconds = await timed(
                client.get("/api/auth/profile", headers={"authorization": f"Bearer {token}"})
            )
            assert (profile.status_code, seconds < 0.5) == (200, True)

        mistaken = Person(email=bob.email, network=bob.network, password="not my password")
        answers = [outcome(await log_in(client, mistaken)) for _ in range(6)]
        assert answers == [(401, "wrong_credentials")] * 5 + [(429, "too_many_requests")]
        throttled = await log_in(client, bob)
        assert outcome(throttled) == (429, "too_many_requests")
        assert 25 <= int(throttled.headers["retry-after"]) <= 30

        times = [await timed(log_in(client, ann)) for _ in range(5)]
        assert [answer.status_code for answer, _ in times] == [200] * 5
        assert statistics.median(seconds for _, seconds in times) < KNOWN_OUTAGE_SECONDS
        assert (await client.get("/health/ready")).status_code == 200
        assert (await client.get("/health/live")).status_code == 200

        async def told() -> bool:
            parts = (await client.get("/health")).json()["parts"]
            assert (parts["postgres"], parts["kafka"]) == ("up", "up")
            return bool(parts["redis"] == "down")

        await until(told, within=2)  # what was found is fresh for a second


def restart(house: House) -> None:
    house.parts.redis.kill()
    house.parts.redis.start()


@pytest.mark.parametrize(
    "lose", [lambda house: house.parts.redis_wire.reset(), restart], ids=["reset", "closed"]
)
async def test_connections_that_were_lost_while_idle_cost_no_request(
    house: House, lose: Callable[[House], None]
) -> None:
    async with house.service.client() as client:
        for _ in range(2):
            answers = await asyncio.gather(*[ask_to_register(client, Person()) for _ in range(8)])
            assert [answer.status_code for answer in answers] == [202] * 8
            lose(house)
            await asyncio.sleep(0.1)


async def test_answers_still_belong_to_their_questions_after_a_hang(house: House) -> None:
    async with house.service.client() as client:
        people = [Person() for _ in range(8)]
        ids = await asyncio.gather(*[register(client, person) for person in people])
        codes = [house.mailroom.code(id) for id in ids]
        house.parts.redis.freeze()
        asked = [
            asyncio.create_task(verify(client, person, id, wrong(code)))
            for person, id, code in zip(people, ids, codes, strict=True)
        ]
        await asyncio.sleep(0.5)
        house.parts.redis.thaw()
        for answer in await asyncio.gather(*asked):
            assert outcome(answer) in [(400, "wrong_code"), (503, "unavailable")]

        async def up() -> bool:
            parts = (await client.get("/health")).json()["parts"]
            return bool(parts["redis"] == "up")

        await until(up)
        answers = await asyncio.gather(
            *[
                verify(client, person, id, code)
                for person, id, code in zip(people, ids, codes, strict=True)
            ]
        )
        emails = [answer.json()["data"]["user"]["email"] for answer in answers]
        assert emails == [person.email for person in people]
