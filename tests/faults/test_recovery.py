"""Whatever fails while somebody recovers: refused in time, no code lost, nothing done twice."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncpg
import httpx
import pytest

from dev_stack import process_tree
from tests.faults.fault import Fault, dies, each, full_redis, hangs, refuses
from tests.faults.house import ANSWER_SECONDS, House, assert_unavailable, timed, until
from tests.people import Person, log_in, member, outcome
from tests.recoveries import NEW_PASSWORD, ask_to_recover, recover, reset
from tests.service_process import ServiceProcess

pytestmark = pytest.mark.anyio

EXPIRED = (410, "code_expired")


# They leave open if the mail was sent, or keep its share away.
SPENDING = (hangs("kafka", "kafka hung"), hangs("redis", "redis hung"))
KAFKA_HUNG, REDIS_HUNG = SPENDING
EVERY = each(
    refuses("kafka", "kafka refused"),
    KAFKA_HUNG,
    refuses("redis", "redis refused"),
    REDIS_HUNG,
    full_redis("redis full"),
    refuses("postgres", "postgres refused"),
    hangs("postgres", "postgres hung"),
    dies("postgres", "postgres killed"),
)


def shape(answer: httpx.Response) -> tuple[int, str, list[str]]:
    return (*outcome(answer), sorted(answer.headers))


def pending(house: House) -> set[bytes]:
    return set(house.store.scan_iter("challenge:recover:*"))


async def resets_of(house: House, person: Person) -> int:
    """How often the account's password was reset, as its events tell."""
    rows = await house.corner.fetch(
        "SELECT FROM outbox JOIN accounts ON key = accounts.id::text "
        "WHERE email = $1 AND topic = 'password_reset_completed'",
        person.email,
    )
    return len(rows)


async def assert_reset_once(house: House, client: httpx.AsyncClient, person: Person) -> None:
    assert await resets_of(house, person) == 1
    person.password = NEW_PASSWORD
    assert (await log_in(client, person)).status_code == 200


@asynccontextmanager
async def locked(house: House) -> AsyncIterator[None]:
    """Nobody else gets at the accounts until the block ends."""
    holder = await asyncpg.connect(house.corner.database_url)
    try:
        async with holder.transaction():
            await holder.execute("LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await holder.close()


async def at_the_lock(house: House, recovery_id: str) -> None:
    """Return once the code is verified and its transaction waits for the account."""

    async def waits() -> bool:
        blocked = await house.corner.fetch(
            "SELECT FROM pg_stat_activity WHERE datname = current_database() "
            "AND wait_event_type = 'Lock'"
        )
        return state(house, recovery_id) == b"verified" and bool(blocked)

    await until(waits, within=2)


def state(house: House, recovery_id: str) -> object:
    return house.store.hget(f"challenge:recover:{recovery_id}", "state")


@pytest.fixture
def service(house: House) -> Iterator[ServiceProcess]:
    """One that may be killed."""
    with ServiceProcess.started(house.corner.variables) as service:
        yield service
        kill(service)


def kill(service: ServiceProcess) -> None:
    process_tree.send(service.process.pid, signal.SIGKILL)
    service.process.wait()


@EVERY
async def test_asking_is_refused_in_time_alike_for_everybody_and_opens_nothing(
    house: House, fault: Fault
) -> None:
    known, nobody = await member(house.service, house.mailroom), Person()
    before = pending(house)
    async with house.service.client() as client:
        fault.begin(house)
        asked = await asyncio.gather(
            *[timed(ask_to_recover(client, person)) for person in (known, nobody)]
        )
        fault.end(house)
        for answer, seconds in asked:
            assert_unavailable(answer)
            assert seconds < ANSWER_SECONDS
        assert shape(asked[0][0]) == shape(asked[1][0])

        async def answers() -> bool:
            answer = await ask_to_recover(client, Person())
            assert answer.status_code in (202, 503), answer.text
            return answer.status_code == 202

        print(fault.name, f"recovered in {await until(answers):.2f} s")
        assert len(pending(house) - before) == 1
        if fault not in SPENDING:
            for person in (known, nobody):
                await recover(client, person)


@EVERY
async def test_a_reset_that_was_refused_meanwhile_succeeds_by_the_same_request(
    house: House, fault: Fault
) -> None:
    person = await member(house.service, house.mailroom)
    async with house.service.client() as client:
        recovery_id = await recover(client, person)
        code = house.mailroom.code(recovery_id)
        fault.begin(house)
        for _ in range(6):
            answer, seconds = await timed(reset(client, person, recovery_id, code))
            assert seconds < ANSWER_SECONDS
            if fault.name.startswith("kafka"):
                assert answer.status_code == 200  # it needs none
            else:
                assert_unavailable(answer)
        fault.end(house)

        async def succeeds() -> bool:
            answer = await reset(client, person, recovery_id, code)
            assert answer.status_code in (200, 503), answer.text
            return answer.status_code == 200

        await until(succeeds)
        await assert_reset_once(house, client, person)


async def test_a_kill_between_the_code_and_the_row_costs_no_code(
    house: House, service: ServiceProcess
) -> None:
    person = await member(house.service, house.mailroom)
    async with house.service.client() as client:
        recovery_id = await recover(client, person)
        code = house.mailroom.code(recovery_id)
        async with service.client() as victim, locked(house):
            asked = asyncio.create_task(reset(victim, person, recovery_id, code))
            await at_the_lock(house, recovery_id)
            kill(service)
            with pytest.raises(httpx.TransportError):
                await asked
        assert await resets_of(house, person) == 0
        for _ in range(2):
            assert (await reset(client, person, recovery_id, code)).status_code == 200
        await assert_reset_once(house, client, person)


async def test_a_reset_that_could_not_be_settled_is_known_by_its_account(house: House) -> None:
    person = await member(house.service, house.mailroom)
    async with house.service.client() as client:
        recovery_id = await recover(client, person)
        code = house.mailroom.code(recovery_id)
        async with locked(house):
            asked = asyncio.create_task(reset(client, person, recovery_id, code))
            await at_the_lock(house, recovery_id)
            house.parts.redis_wire.refuse()
        assert (await asked).status_code == 200
        assert state(house, recovery_id) == b"verified"
        house.parts.redis_wire.let_pass()

        async def repeated() -> bool:
            answer = await reset(client, person, recovery_id, code)
            assert answer.status_code in (200, 503), answer.text
            return answer.status_code == 200

        await until(repeated)
        other = await reset(client, person, recovery_id, code, "copper lantern drizzle")
        assert outcome(other) == EXPIRED
        await assert_reset_once(house, client, person)


async def test_kills_at_any_moment_of_resetting_lose_and_double_nothing(house: House) -> None:
    moments = random.Random(11)
    for _ in range(3):
        people = [await member(house.service, house.mailroom) for _ in range(8)]
        async with house.service.client() as client:
            ids = [await recover(client, person) for person in people]
            asked = [
                (person, id, house.mailroom.code(id))
                for person, id in zip(people, ids, strict=True)
            ]
            with ServiceProcess.started(house.corner.variables) as service:
                async with service.client() as victim:
                    tasks = [asyncio.create_task(reset(victim, *each)) for each in asked]
                    await asyncio.sleep(moments.uniform(0.002, 0.06))
                    kill(service)
                    answers = await asyncio.gather(*tasks, return_exceptions=True)
            answered = [answer for answer in answers if isinstance(answer, httpx.Response)]
            assert all(answer.status_code == 200 for answer in answered)
            again = await asyncio.gather(*[reset(client, *each) for each in asked])
            assert [answer.status_code for answer in again] == [200] * len(asked)
            for person in people:
                await assert_reset_once(house, client, person)
