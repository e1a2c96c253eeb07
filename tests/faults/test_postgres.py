"""Postgres is refused, hangs, is killed or takes no writes: refused in time, and nothing lost."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Awaitable

import asyncpg
import httpx
import pytest

from tests.faults.fault import Fault, dies, each, hangs, refuses
from tests.faults.house import (
    ANSWER_SECONDS,
    KNOWN_OUTAGE_SECONDS,
    POOL_SIZE,
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
    register,
    resend,
    verify,
)

pytestmark = pytest.mark.anyio


def bearer(logged_in: httpx.Response) -> dict[str, str]:
    return {"authorization": f"Bearer {logged_in.json()['data']['token']}"}


async def refused(request: Awaitable[httpx.Response]) -> float:
    """The seconds that the refusal took."""
    answer, seconds = await timed(request)
    assert_unavailable(answer)
    return seconds


@each(refuses("postgres"), hangs("postgres"), dies("postgres"))
async def test_everything_is_refused_in_time_and_works_again_with_the_whole_pool(
    house: House, fault: Fault
) -> None:
    ann, newcomer = await member(house.service, house.mailroom), Person()
    waiting, later = Person(), [Person() for _ in range(4)]
    async with house.service.client() as client:
        headers = bearer(await log_in(client, ann))
        waiting_id, id = await register(client, waiting), await register(client, newcomer)
        code = house.mailroom.code(id)
        waiting.network = fresh_network()  # one mail a minute from each

        def every_verb(stranger: Person) -> list[Awaitable[httpx.Response]]:
            return [
                client.get("/api/auth/profile", headers=headers),
                log_in(client, ann),
                verify(client, newcomer, id, code),
                ask_to_register(client, stranger),
                resend(client, waiting, waiting_id),
            ]

        fault.begin(house)
        reads = [client.get("/api/auth/profile", headers=headers) for _ in range(2 * POOL_SIZE)]
        first = await asyncio.gather(*map(refused, [*every_verb(Person()), *reads]))
        assert max(first) < ANSWER_SECONDS
        known = [await refused(asked) for stranger in later for asked in every_verb(stranger)]
        assert statistics.median(known) < KNOWN_OUTAGE_SECONDS
        fault.end(house)

        async def works() -> bool:
            answer = await client.get("/api/auth/profile", headers=headers)
            assert answer.status_code in (200, 503), answer.text
            return answer.status_code == 200

        recovery = await until(works)
        print(f"{fault.name}: first {max(first):.2f} s, known {statistics.median(known):.3f} s, ")
        print(f"{fault.name}: recovered in {recovery:.2f} s")

        # The right code was sent while nothing could be committed: it still counts, once.
        for _ in range(2):
            assert (await verify(client, newcomer, id, code)).status_code == 201
        accounts = await house.corner.fetch(
            "SELECT id FROM accounts WHERE email = $1", newcomer.email
        )
        assert len(accounts) == 1
        events = await house.corner.fetch(
            "SELECT FROM outbox WHERE key = $1", str(accounts[0]["id"])
        )
        assert len(events) == 1
        # What was not mailed has cost no share of what an address may be mailed.
        for person in later:
            await register(client, person)
        assert (await resend(client, waiting, waiting_id)).status_code == 202
        await assert_whole_pool(house, client, headers)


async def test_a_few_callers_on_open_connections_are_enough_to_notice_a_hang(house: House) -> None:
    ann = await member(house.service, house.mailroom)
    async with house.service.client() as client:
        headers = bearer(await log_in(client, ann))
        await assert_whole_pool(house, client, headers)
        house.parts.postgres.freeze()
        reads = [client.get("/api/auth/profile", headers=headers) for _ in range(3)]
        assert max(await asyncio.gather(*map(refused, reads))) < ANSWER_SECONDS
        known = [await refused(client.get("/api/auth/profile", headers=headers)) for _ in range(5)]
        assert statistics.median(known) < KNOWN_OUTAGE_SECONDS


async def assert_whole_pool(
    house: House, client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    """Every connection that the pool may have can be used, and no other is left open."""
    watcher = await asyncpg.connect(house.corner.database_url)
    try:
        async with watcher.transaction():
            await watcher.execute("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
            reads = [
                asyncio.create_task(client.get("/api/auth/profile", headers=headers))
                for _ in range(POOL_SIZE)
            ]
            await until(lambda: whole_pool_waits(watcher), within=1.8)
        assert [answer.status_code for answer in await asyncio.gather(*reads)] == [200] * POOL_SIZE
        assert await count(watcher, "true") == POOL_SIZE
    finally:
        await watcher.close()


async def whole_pool_waits(watcher: asyncpg.Connection[asyncpg.Record]) -> bool:
    return await count(watcher, "wait_event_type = 'Lock'") == POOL_SIZE


async def count(watcher: asyncpg.Connection[asyncpg.Record], condition: str) -> int:
    # A transaction sees its first look for ever otherwise.
    await watcher.execute("SELECT pg_stat_clear_snapshot()")
    found: int = await watcher.fetchval(
        f"""
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND {condition}
        """
    )
    return found


async def test_postgres_killed_under_running_statements_refuses_them(house: House) -> None:
    ann = await member(house.service, house.mailroom)
    async with house.service.client() as client:
        headers = bearer(await log_in(client, ann))
        watcher = await asyncpg.connect(house.corner.database_url)
        transaction = watcher.transaction()
        await transaction.start()
        await watcher.execute("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
        asked = [
            *(client.get("/api/auth/profile", headers=headers) for _ in range(POOL_SIZE - 1)),
            log_in(client, ann),
            *(client.get("/api/auth/profile", headers=headers) for _ in range(2)),
        ]
        refusals = [asyncio.create_task(refused(request)) for request in asked]
        await until(lambda: whole_pool_waits(watcher), within=1.8)
        house.parts.postgres.kill()
        watcher.terminate()
        assert max(await asyncio.gather(*refusals)) < ANSWER_SECONDS
        house.parts.postgres.start()

        async def works() -> bool:
            return (await log_in(client, ann)).status_code == 200

        await until(works)
        await assert_whole_pool(house, client, headers)


async def test_read_only_postgres_refuses_writes_and_serves_profiles_until_it_writes_again(
    house: House,
) -> None:
    ann, newcomer = await member(house.service, house.mailroom), Person()
    async with house.service.client() as client:
        headers = bearer(await log_in(client, ann))
        id = await register(client, newcomer)
        code = house.mailroom.code(id)
        await set_read_only(house, "on")
        try:
            down = house.service.log.count("dependency_down")
            await refused(log_in(client, ann))
            for _ in range(4):
                await refused(verify(client, newcomer, id, code))
            profile = await client.get("/api/auth/profile", headers=headers)
            assert profile.status_code == 200
            # Not an outage: an open breaker would refuse whoever only reads.
            assert house.service.log.count("dependency_down") == down
        finally:
            await set_read_only(house, "off")

        async def works() -> bool:
            return (await verify(client, newcomer, id, code)).status_code == 201

        await until(works)
        assert (await log_in(client, ann)).status_code == 200
        await assert_whole_pool(house, client, headers)


async def set_read_only(house: House, value: str) -> None:
    connection = await asyncpg.connect(house.corner.database_url)
    try:
        await connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
        await connection.execute("SELECT pg_reload_conf()")
        await asyncio.sleep(0.1)
    finally:
        await connection.close()


@each(refuses("postgres"), hangs("postgres"))
async def test_health_tells_of_postgres_and_liveness_does_not_depend_on_it(
    house: House, fault: Fault
) -> None:
    ann = await member(house.service, house.mailroom)
    async with house.service.client() as client:
        # A connection lies in the pool: the next statement on it waits longer than a new one.
        await client.get("/api/auth/profile", headers=bearer(await log_in(client, ann)))
        fault.begin(house)
        await asyncio.sleep(1.1)  # what was found is fresh for a second
        for _ in range(4):
            (told, seconds), ready = await asyncio.gather(
                timed(client.get("/health")), client.get("/health/ready")
            )
            assert (told.status_code, told.json()["status"]) == (200, "degraded")
            parts = told.json()["parts"]
            assert (parts["postgres"], parts["redis"], parts["kafka"]) == ("down", "up", "up")
            assert seconds < ANSWER_SECONDS
            assert ready.status_code == 503
            live, seconds = await timed(client.get("/health/live"))
            assert (live.status_code, seconds < 0.5) == (200, True)
            await asyncio.sleep(0.3)
        fault.end(house)

        async def works() -> bool:
            return (await client.get("/health/ready")).status_code == 200

        await until(works)


async def test_health_is_not_ready_without_migrations(house: House) -> None:
    async with house.service.client() as client:
        await house.corner.fetch("ALTER TABLE applied_migrations RENAME TO hidden")
        try:
            await asyncio.sleep(1.1)
            ready = await client.get("/health/ready")
            assert (ready.status_code, ready.json()["code"]) == (503, "not_ready")
            assert (await client.get("/health/live")).status_code == 200
            parts = (await client.get("/health")).json()["parts"]
            assert (parts["postgres"], parts["migrations"]) == ("up", "missing")
        finally:
            await house.corner.fetch("ALTER TABLE hidden RENAME TO applied_migrations")

        async def works() -> bool:
            return (await client.get("/health/ready")).status_code == 200

        await until(works)


async def test_connections_that_the_server_ends_under_a_statement_are_an_outage(
    house: House,
) -> None:
    """Between the server's last words and its hang-up asyncpg raises an error of its own."""
    person = await member(house.service, house.mailroom)
    answers: list[int] = []
    killer = await asyncpg.connect(house.corner.database_url)
    async with house.service.client() as client:
        headers = bearer(await log_in(client, person))
        for number in range(150):
            reads = [
                asyncio.create_task(client.get("/api/auth/profile", headers=headers))
                for _ in range(8)
            ]
            await asyncio.sleep(0.001 * (number % 5))
            await killer.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            answers += [answer.status_code for answer in await asyncio.gather(*reads)]
    await killer.close()
    assert set(answers) == {200, 503}
