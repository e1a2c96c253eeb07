"""Postgres or the worker fails while others tell: no event is lost, none a dead letter."""

from __future__ import annotations

import asyncio
import random
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from tests.faults.fault import Fault, dies, each, hangs, refuses
from tests.faults.house import House, until
from tests.user_service.accounts import settled
from tests.user_service.neighbour import OUTCOMES, SOURCE, Neighbour
from tests.worker_process import WorkerProcess

pytestmark = pytest.mark.anyio

SOURCES = {"LIFECYCLE_SOURCES": SOURCE}


async def names(house: House, users: list[str]) -> list[str]:
    rows = await house.corner.fetch(
        "SELECT name FROM accounts WHERE id = ANY($1::uuid[]) ORDER BY id", users
    )
    return [row["name"] for row in rows]


async def applied(house: House) -> int:
    return len(await house.corner.fetch("SELECT FROM applied_events"))


@each(refuses("postgres"), hangs("postgres"), dies("postgres"))
async def test_while_postgres_is_away_events_wait_and_are_no_dead_letters(
    house: House, fault: Fault
) -> None:
    users = await settled(house.corner, 20)
    with (
        Neighbour.of(house.corner) as neighbour,
        WorkerProcess.started(house.corner.variables, **SOURCES) as worker,
    ):
        worker.come_up()
        fault.begin(house)
        for user in users:
            neighbour.rename(user, "Renamed")
        neighbour.arrive()

        async def waits() -> bool:
            return "event_waits" in worker.log

        await until(waits, within=30)  # the group is joined first
        fault.end(house)

        async def done() -> bool:
            return set(await names(house, users)) == {"Renamed"}

        print(f"recovered after {await until(done):.1f} s")
        assert worker.metric(OUTCOMES, outcome="dead") == 0
        assert worker.process.poll() is None
        assert await worker.stop() < 15


async def test_a_worker_killed_while_it_applies_leaves_the_newest_of_everything(
    house: House,
) -> None:
    users, chance = await settled(house.corner, 40), random.Random(11)
    before, began = await applied(house), datetime.now(UTC) - timedelta(hours=1)
    events = [
        (users[number % 40], f"Name {number}", began + timedelta(seconds=number))
        for number in range(2000)
    ]
    chance.shuffle(events)
    with Neighbour.of(house.corner) as neighbour:
        for user, name, at in events:
            neighbour.rename(user, name, at=at, id=name)
        neighbour.arrive()
    for _ in range(3):
        with WorkerProcess.started(house.corner.variables, **SOURCES) as worker:
            reached = await applied(house)

            async def some(so_far: int = reached) -> bool:
                return await applied(house) > min(so_far + 100, before + len(events) - 1)

            await until(some, within=30)
            worker.kill()
    with WorkerProcess.started(house.corner.variables, **SOURCES) as worker:

        async def all_of_them() -> bool:
            return await applied(house) == before + len(events)

        await until(all_of_them, within=30)
        assert worker.metric(OUTCOMES, outcome="dead") == 0
        assert await worker.stop() < 15
    newest = {users[number % 40]: f"Name {number}" for number in range(1960, 2000)}
    assert await names(house, users) == [newest[user] for user in sorted(users, key=uuid.UUID)]


@pytest.mark.parametrize("what", ["Postgres", "Kafka"])
async def test_sigterm_ends_a_worker_that_waits_and_its_events_are_the_next_ones(
    house: House, what: str
) -> None:
    [user] = await settled(house.corner, 1)
    with (
        Neighbour.of(house.corner) as neighbour,
        WorkerProcess.started(house.corner.variables, **SOURCES) as worker,
    ):
        worker.come_up()
        if what == "Postgres":
            house.parts.postgres_wire.refuse()
            neighbour.rename(user, "Renamed")
            neighbour.arrive()

            async def waits() -> bool:
                return "event_waits" in worker.log

            await until(waits, within=30)
        else:
            neighbour.rename(user, "Renamed")
            neighbour.arrive()
            await asyncio.sleep(1)
            house.parts.kafka.freeze()
        seconds = await worker.stop()
        print(f"exit after {seconds:.2f} s")
        assert seconds < 15
    house.heal()
    with WorkerProcess.started(house.corner.variables, **SOURCES):

        async def done() -> bool:
            return await names(house, [user]) == ["Renamed"]

        await until(done, within=20)
