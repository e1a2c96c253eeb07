"""What is overdue goes away, in small steps that leave Postgres to those who wait."""

from __future__ import annotations

import time

import pytest

from tests.corner import Corner
from tests.user_service.accounts import opened
from user_service.outbox import outbox_store
from user_service.storage.postgres import Connection
from user_service.sweeping import BATCH, REST_SECONDS, exhaust

pytestmark = pytest.mark.anyio

OVERDUE = "acknowledged_at < now() - interval '7 days'"


async def test_however_much_is_overdue_nothing_of_it_stays(corner: Corner) -> None:
    await corner.fetch(
        """
        INSERT INTO outbox (topic, key, payload, acknowledged_at)
        SELECT 'user-created', 'swept', '{}', now() - interval '8 days'
        FROM generate_series(1, $1)
        """,
        2 * BATCH + 1,
    )
    async with opened(corner) as db:
        await exhaust(db, outbox_store.sweep)

    assert await corner.fetch(f"SELECT FROM outbox WHERE {OVERDUE}") == []


@pytest.mark.parametrize("seconds", [0.02, 0.2])
async def test_a_sweep_rests_as_long_as_it_works_and_a_little_at_least(
    corner: Corner, seconds: float
) -> None:
    worked = []

    async def sweep(connection: Connection, most: int) -> int:
        began = time.monotonic()
        await connection.execute("SELECT pg_sleep($1)", seconds)
        worked.append(time.monotonic() - began)
        return most if len(worked) < 4 else 0

    async with opened(corner) as db:
        began = time.monotonic()
        await exhaust(db, sweep)
        took = time.monotonic() - began
    assert len(worked) == 4
    assert took >= 0.95 * sum(each + max(REST_SECONDS, each) for each in worked)
