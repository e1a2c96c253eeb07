"""Of two that wait for each other Postgres gives one up: it may come again, and nothing ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import outcome
from tests.service_process import ServiceProcess
from tests.user_service.admins import account, is_dead
from tests.worker_process import WorkerProcess
from user_service.outbox.outbox_store import RELAY_LOCK

pytestmark = pytest.mark.anyio

WAITING = """
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()
"""


@asynccontextmanager
async def patient(corner: Corner) -> AsyncIterator[asyncpg.Connection]:
    """A transaction that outwaits whomever it blocks: the other one is given up."""
    connection = await asyncpg.connect(corner.database_url)
    try:
        await connection.execute("SET deadlock_timeout = '60s'")
        async with connection.transaction():
            yield connection
    finally:
        await connection.close()


async def somebody_waits(corner: Corner) -> None:
    deadline = time.monotonic() + 10
    while not await corner.fetch(WAITING):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_a_request_that_was_given_up_is_asked_to_come_again_and_does_no_harm(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    user = await account(service, mailroom)
    async with service.client() as client:
        async with patient(corner) as other:
            await other.execute(
                "SELECT FROM sessions WHERE account_id = $1::uuid FOR UPDATE", user.id
            )
            logout = asyncio.ensure_future(client.post("/api/auth/logout", headers=user.headers))
            await somebody_waits(corner)
            await other.execute("SELECT FROM accounts WHERE id = $1::uuid FOR UPDATE", user.id)
        refused = await logout
        assert outcome(refused) == (503, "unavailable")
        assert "retry-after" in refused.headers
        again = await client.post("/api/auth/logout", headers=user.headers)
        assert again.status_code == 200, again.text
        assert await is_dead(client, user.tokens)


async def test_a_relay_that_was_given_up_goes_on(worker: WorkerProcess, corner: Corner) -> None:
    key = str(uuid4())
    relay = await asyncpg.connect(corner.database_url)
    try:
        await relay.execute("SELECT pg_advisory_lock($1)", RELAY_LOCK)
        rows = await corner.fetch(
            """
            INSERT INTO outbox (topic, key, payload)
            SELECT 'user_deactivated', $1, '{}' FROM generate_series(1, 2) RETURNING id
            """,
            key,
        )
        first, second = sorted(row["id"] for row in rows)
        async with patient(corner) as other:
            await other.execute("SELECT FROM outbox WHERE id = $1 FOR UPDATE", second)
            await relay.execute("SELECT pg_advisory_unlock($1)", RELAY_LOCK)
            await somebody_waits(corner)
            await other.execute("SELECT FROM outbox WHERE id = $1 FOR UPDATE", first)
    finally:
        await relay.close()
    deadline = time.monotonic() + 15
    pending = "SELECT FROM outbox WHERE key = $1 AND acknowledged_at IS NULL"
    while await corner.fetch(pending, key):
        assert time.monotonic() < deadline, worker.log
        await asyncio.sleep(0.1)
    assert worker.process.poll() is None
    assert "DeadlockDetected" in worker.log
