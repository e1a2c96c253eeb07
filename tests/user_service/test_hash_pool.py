"""Hashing is bounded: what does not fit is refused at once, and logins keep their share."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import (
    PASSWORD,
    Person,
    ask_to_register,
    fresh_address,
    fresh_network,
    log_in,
    member,
)
from tests.service_process import ServiceProcess
from tests.unlimited import UNLIMITED
from tests.untraced import UNTRACED
from user_service.errors import Overloaded
from user_service.identity.hash_pool import HashPool
from user_service.identity.passwords import Passwords
from user_service.settings.limits import ArgonCost

pytestmark = pytest.mark.anyio

CHEAP = ArgonCost(memory=8, time=1)
# More than are hashed while so many are sent, however busy the machine is.
CROWD = 90


@pytest.fixture(scope="module")
def narrow(corner: Corner) -> Iterator[ServiceProcess]:
    """One hash at a time, about 15 ms each, and four that may wait; a network may ask once."""
    cost = {"ARGON2_MEMORY_KIB": "12288", "ARGON2_TIME": "2"}
    pool = {"HASH_THREADS": "1", "HASH_QUEUE": "4"}
    limits = UNLIMITED | {"LIMIT_LOGIN": "1/minute", "LIMIT_REGISTER": "1/minute"}
    # Who has no account is hashed at the cost of those who have one: here all are of this cost.
    with corner.beside(migrated=True) as own:
        started = ServiceProcess.started(own.variables, **limits, **cost, **pool, **UNTRACED)
        with started as service:
            yield service


async def _logins(client: httpx.AsyncClient, many: int) -> list[httpx.Response]:
    async def one() -> httpx.Response:
        body = {"email": fresh_address(), "password": PASSWORD}
        headers = {"x-forwarded-for": fresh_network()}
        return await client.post("/api/auth/login", json=body, headers=headers)

    return list(await asyncio.gather(*(one() for _ in range(many))))


@asynccontextmanager
async def _crowded(client: httpx.AsyncClient) -> AsyncIterator[None]:
    """Meanwhile so many log in again and again that there is hardly ever room."""

    async def insist() -> None:
        while not stopping.is_set():
            await _logins(client, 1)

    stopping = asyncio.Event()
    crowd = [asyncio.create_task(insist()) for _ in range(12)]
    yield
    stopping.set()
    await asyncio.gather(*crowd)


async def _log_in_from_elsewhere(client: httpx.AsyncClient, person: Person) -> httpx.Response:
    return await log_in(client, replace(person, network=fresh_network()))


async def _registrations(client: httpx.AsyncClient, many: int) -> list[httpx.Response]:
    async def one() -> httpx.Response:
        return await ask_to_register(client, Person())

    return list(await asyncio.gather(*(one() for _ in range(many))))


async def test_a_full_queue_is_refused_with_a_time_to_wait(
    narrow: ServiceProcess,
) -> None:
    async with narrow.client() as client:
        answers = await _logins(client, CROWD)
        hashed = [answer for answer in answers if answer.status_code == 401]
        refused = [answer for answer in answers if answer.status_code == 503]
        assert len(hashed) + len(refused) == CROWD
        assert len(hashed) >= 2
        assert refused
        for answer in refused:
            assert answer.json()["code"] == "overloaded"
            assert int(answer.headers["retry-after"]) >= 1
        assert (await _logins(client, 1))[0].status_code == 401


async def test_known_and_unknown_names_are_refused_alike(
    narrow: ServiceProcess, mailroom: Mailroom
) -> None:
    person = await member(narrow, mailroom)
    async with narrow.client() as client:
        flood = (_log_in_from_elsewhere(client, person) for _ in range(CROWD))
        known = await asyncio.gather(*flood)
        unknown = await _logins(client, CROWD)
    assert {answer.status_code for answer in known} == {200, 503}
    assert {answer.status_code for answer in unknown} == {401, 503}
    overloaded = [answer for answer in (*known, *unknown) if answer.status_code == 503]
    assert len({answer.json()["detail"] for answer in overloaded}) == 1


async def test_registrations_leave_room_for_logins(narrow: ServiceProcess) -> None:
    async with narrow.client() as client:
        flood = asyncio.create_task(_registrations(client, 60))
        await asyncio.sleep(0.1)
        logins = await _logins(client, 2)
        registered = await flood
    assert [answer.status_code for answer in logins] == [401, 401]
    assert {answer.status_code for answer in registered} == {202, 503}


async def test_health_answers_while_everything_hashes(narrow: ServiceProcess) -> None:
    async with narrow.client() as client:
        flood = asyncio.create_task(_logins(client, 10))
        await asyncio.sleep(0.05)
        answers = [await client.get("/health/live") for _ in range(10)]
        await flood
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.elapsed.total_seconds() for answer in answers)[5] < 0.15


async def test_who_finds_no_room_has_spent_nothing(narrow: ServiceProcess) -> None:
    """A refusal that asked Redis and Postgres first would take from the hashes of all others."""

    async def answers(person: Person) -> list[int]:
        asked = [await log_in(client, person), await ask_to_register(client, person)]
        return [answer.status_code for answer in asked]

    async with narrow.client() as client:
        async with _crowded(client):
            people = [Person() for _ in range(40)]
            refused = [person for person in people if await answers(person) == [503, 503]]
        let_in = [person for person in refused[:8] if await answers(person) == [401, 202]]
    # The queue may fill between the door and the hash, when the network's one try is spent.
    assert len(let_in) > len(refused[:8]) / 2 >= 2


class Work:
    """Something that a thread of the pool does until it is told to end."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.end = threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        assert self.end.wait(10)
        return "done"


async def _until_begun(work: Work) -> None:
    assert await asyncio.to_thread(work.begun.wait, 5)


@pytest.fixture
def pool() -> Iterator[HashPool]:
    pool = HashPool(threads=1, most_waiting=2)
    yield pool
    pool.close()


async def test_a_cancelled_request_frees_its_slot_only_when_its_hash_ends(pool: HashPool) -> None:
    works = [Work() for _ in range(3)]
    tasks = [asyncio.create_task(pool.run(work)) for work in works]
    await _until_begun(works[0])
    tasks[0].cancel()
    await asyncio.gather(tasks[0], return_exceptions=True)
    assert tasks[0].cancelled()
    # Its caller has gone, its hash has not: the pool is as full as before.
    with pytest.raises(Overloaded):
        await pool.run(lambda: "one too many")
    for work in works:
        work.end.set()
    assert await asyncio.gather(*tasks[1:]) == ["done", "done"]
    assert await pool.run(lambda: "room again") == "room again"


async def test_a_request_cancelled_while_it_waits_makes_room_at_once(pool: HashPool) -> None:
    works = [Work() for _ in range(3)]
    tasks = [asyncio.create_task(pool.run(work)) for work in works]
    await _until_begun(works[0])
    tasks[2].cancel()
    await asyncio.gather(tasks[2], return_exceptions=True)
    await asyncio.sleep(0.05)
    replacement = asyncio.create_task(pool.run(lambda: "let in"))
    for work in works:
        work.end.set()
    assert await replacement == "let in"
    assert not works[2].begun.is_set()
    await asyncio.gather(*tasks[:2])


async def test_who_waits_for_a_second_is_refused_and_leaves_no_slot_behind(pool: HashPool) -> None:
    works = [Work(), Work()]
    tasks = [asyncio.create_task(pool.run(work)) for work in works]
    await _until_begun(works[0])
    with pytest.raises(Overloaded):
        await tasks[1]
    works[0].end.set()
    # A hash that has begun is waited for, however long it takes.
    assert await tasks[0] == "done"
    assert not works[1].begun.is_set()
    assert not pool.busy


async def test_yielding_work_holds_half_of_the_queue(pool: HashPool) -> None:
    works = [Work() for _ in range(3)]
    tasks = [asyncio.create_task(pool.run(work, yielding=True)) for work in works[:2]]
    await _until_begun(works[0])
    with pytest.raises(Overloaded):
        await pool.run(works[2], yielding=True)
    tasks.append(asyncio.create_task(pool.run(works[2])))
    for work in works:
        work.end.set()
    assert await asyncio.gather(*tasks) == ["done"] * 3


async def test_dummy_hashes_cost_what_accounts_hashes_cost_in_the_same_shares() -> None:
    pool = HashPool(threads=1, most_waiting=8)
    passwords = Passwords(pool, CHEAP, b"k" * 32)
    names = [f"name-{number}@example.org" for number in range(2000)]
    assert {_cost_of(passwords, name) for name in names} == {"m=8,t=1,p=1"}
    ours = "$argon2id$v=19$"
    passwords.imitate([(f"{ours}m=16,t=1,p=1", 300), (f"{ours}m=8,t=2,p=1", 100)])
    costs = [_cost_of(passwords, name) for name in names]
    assert set(costs) == {"m=16,t=1,p=1", "m=8,t=2,p=1"}
    assert 0.70 < costs.count("m=16,t=1,p=1") / len(names) < 0.80
    # A name that exists costs the same every time, so must one that does not.
    assert [_cost_of(passwords, name) for name in names] == costs
    passwords.imitate([])
    assert [_cost_of(passwords, name) for name in names] == costs
    pool.close()


def _cost_of(passwords: Passwords, name: str) -> str:
    return passwords._dummy_of(name).text.split("$")[3]


async def test_a_hash_is_not_renewed_while_others_wait() -> None:
    pool = HashPool(threads=1, most_waiting=2)
    old = await Passwords(pool, CHEAP, b"k").hash(PASSWORD)
    passwords = Passwords(pool, ArgonCost(memory=16, time=1), b"k")
    work = Work()
    running = asyncio.create_task(pool.run(work))
    await _until_begun(work)
    assert await passwords.renewed(PASSWORD, old) is None
    work.end.set()
    await running
    await asyncio.sleep(0.05)
    renewed = await passwords.renewed(PASSWORD, old)
    assert renewed is not None
    assert await passwords.verify(PASSWORD, renewed, "ann")
    assert await passwords.renewed(PASSWORD, renewed) is None
    pool.close()


async def test_a_system_that_allows_no_priorities_costs_no_hash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in a container of an engine that is nicer than our threads would be."""

    def forbidden(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr("os.setpriority", forbidden)
    pool = HashPool(threads=1, most_waiting=1)
    assert [await pool.run(lambda: 7) for _ in range(5)] == [7] * 5
    pool.close()


async def test_hash_threads_are_nicer_than_the_service_that_is_nice_already() -> None:
    mine = os.getpriority(os.PRIO_PROCESS, 0)
    pool = HashPool(threads=1, most_waiting=1)
    theirs = await pool.run(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    pool.close()
    assert theirs == min(mine + 5, 19)


async def test_what_does_not_fit_into_the_queue_is_refused_without_waiting() -> None:
    pool = HashPool(threads=1, most_waiting=1)
    end = threading.Event()
    held = [asyncio.create_task(pool.run(end.wait)) for _ in range(2)]
    await asyncio.sleep(0)  # both have taken their places
    refusing = asyncio.create_task(pool.run(end.wait))
    await asyncio.sleep(0)
    assert refusing.done()
    assert isinstance(refusing.exception(), Overloaded)
    end.set()
    assert await asyncio.gather(*held) == [True, True]
    pool.close()
