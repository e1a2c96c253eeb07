"""The user service is killed, stopped or kept waiting by its callers."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncpg
import httpx
import pytest

from dev_stack import process_tree
from tests.faults.house import ANSWER_SECONDS, House, timed, until
from tests.people import Person, register, verify
from tests.service_process import ServiceProcess

pytestmark = pytest.mark.anyio


@pytest.fixture
def service(house: House) -> Iterator[ServiceProcess]:
    """One that may be killed."""
    with ServiceProcess.started(house.corner.variables) as service:
        yield service
        kill(service)


def kill(service: ServiceProcess) -> None:
    """As a power cut would: the server and all of its workers."""
    process_tree.send(service.process.pid, signal.SIGKILL)
    service.process.wait()


@asynccontextmanager
async def locked(house: House, table: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Nobody else gets at `table` until the block ends."""
    holder = await asyncpg.connect(house.corner.database_url)
    try:
        async with holder.transaction():
            await holder.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield holder
    finally:
        await holder.close()


async def waiting(house: House) -> int:
    rows = await house.corner.fetch(
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND "
        "wait_event_type = 'Lock'"
    )
    return len(rows)


async def attempts_of(house: House, count: int) -> list[tuple[Person, str, str]]:
    """People with a registration and its code."""
    people = [Person() for _ in range(count)]
    async with house.service.client() as client:
        ids = await asyncio.gather(*[register(client, person) for person in people])
    return [(person, id, house.mailroom.code(id)) for person, id in zip(people, ids, strict=True)]


async def assert_registered_once(house: House, person: Person) -> None:
    rows = await house.corner.fetch("SELECT id FROM accounts WHERE email = $1", person.email)
    assert len(rows) == 1
    events = await house.corner.fetch("SELECT FROM outbox WHERE key = $1", str(rows[0]["id"]))
    assert len(events) == 1


async def test_a_kill_between_the_code_and_the_row_loses_nothing(
    house: House, service: ServiceProcess
) -> None:
    ((person, id, code),) = await attempts_of(house, 1)
    key = f"challenge:register:{id}"
    async with service.client() as client, locked(house, "accounts"):
        asked = asyncio.create_task(verify(client, person, id, code))

        async def verified() -> bool:
            return house.store.hget(key, "state") == b"verified" and await waiting(house) > 0

        await until(verified, within=2)
        kill(service)
        with pytest.raises(httpx.TransportError):
            await asked
    async with house.service.client() as client:
        assert (await verify(client, person, id, code)).status_code == 201
    await assert_registered_once(house, person)


async def test_a_server_process_ends_with_its_supervisor(service: ServiceProcess) -> None:
    service.process.kill()
    service.process.wait()

    async def nobody_listens() -> bool:
        with socket.socket() as caller:
            return caller.connect_ex(("127.0.0.1", service.port)) != 0

    await until(nobody_listens, within=5)
    assert "supervisor_gone" in {line["event"] for line in service.lines}


async def test_a_row_whose_attempt_could_not_be_settled_is_found_again(house: House) -> None:
    ((person, id, code),) = await attempts_of(house, 1)
    async with house.service.client() as client:
        async with locked(house, "accounts"):
            asked = asyncio.create_task(verify(client, person, id, code))

            async def inserting() -> bool:
                return await waiting(house) > 0

            await until(inserting, within=1.5)
            house.parts.redis_wire.refuse()
        committed = await asked
        assert committed.status_code == 201
        assert house.store.hget(f"challenge:register:{id}", "state") == b"verified"
        house.parts.redis_wire.let_pass()

        async def succeeds() -> bool:
            return bool((await verify(client, person, id, code)).json() == committed.json())

        await until(succeeds)
    await assert_registered_once(house, person)


async def test_kills_at_any_moment_of_verifying_lose_and_double_nothing(house: House) -> None:
    moments = random.Random(7)
    for _ in range(3):
        people = await attempts_of(house, 10)
        with ServiceProcess.started(house.corner.variables) as service:
            async with service.client() as client:
                asked = [
                    asyncio.create_task(verify(client, person, id, code))
                    for person, id, code in people
                ]
                await asyncio.sleep(moments.uniform(0.002, 0.04))
                kill(service)
                answers = await asyncio.gather(*asked, return_exceptions=True)
        answered = [answer for answer in answers if isinstance(answer, httpx.Response)]
        assert all(answer.status_code == 201 for answer in answered)
        async with house.service.client() as client:
            again = await asyncio.gather(*[verify(client, *each) for each in people])
        assert [answer.status_code for answer in again] == [201] * len(people)
        for person, _, _ in people:
            await assert_registered_once(house, person)


async def test_sigterm_lets_what_is_in_flight_finish(house: House, service: ServiceProcess) -> None:
    people = await attempts_of(house, 4)
    async with service.client() as client:
        async with locked(house, "accounts"):
            asked = [asyncio.create_task(verify(client, *each)) for each in people]

            async def all_wait() -> bool:
                return await waiting(house) == len(people)

            await until(all_wait, within=1.5)
            began = time.monotonic()
            os.kill(service.process.pid, signal.SIGTERM)
            await asyncio.sleep(0.3)
        answers = await asyncio.gather(*asked)
        assert [answer.status_code for answer in answers] == [201] * len(people)
    code = await asyncio.to_thread(service.process.wait, 15)
    assert (code, time.monotonic() - began < 15) == (0, True)
    print(f"exit after {time.monotonic() - began:.2f} s")
    for person, _, _ in people:
        await assert_registered_once(house, person)
    async with service.client() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("/health/live")


async def test_a_body_that_never_ends_is_answered_in_time_and_delays_nobody(house: House) -> None:
    head = (
        b"POST /api/auth/login HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        b"content-length: 200\r\n\r\n"
    )

    def send(pieces: int) -> tuple[bytes, float]:
        """The first line of the answer to a body that comes in `pieces` of one byte and stalls."""
        with socket.create_connection(("127.0.0.1", house.service.port), timeout=10) as caller:
            began = time.monotonic()
            caller.sendall(head + b"{")
            for _ in range(pieces):
                time.sleep(0.1)
                caller.sendall(b" ")
            return caller.recv(4096).partition(b"\r\n")[0], time.monotonic() - began

    stalled = [asyncio.create_task(asyncio.to_thread(send, pieces)) for pieces in (0, 0, 20)]
    async with house.service.client() as client:
        for _ in range(5):
            live, seconds = await timed(client.get("/health/ready"))
            assert (live.status_code, seconds < 1) == (200, True)
            await asyncio.sleep(0.2)
    for line, seconds in await asyncio.gather(*stalled):
        assert line.startswith(b"HTTP/1.1 503 ")
        assert seconds < ANSWER_SECONDS
