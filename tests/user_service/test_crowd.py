"""More requests than Postgres has connections for: some wait in vain, and nobody else for them."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import structs

from shared.env import Environment
from tests.corner import Corner
from user_service.errors import Unavailable
from user_service.settings.database import PostgresConnection
from user_service.storage import postgres
from user_service.storage.postgres import Database

pytestmark = pytest.mark.anyio

CROWD = 10


async def test_a_crowd_before_the_pool_is_not_taken_for_an_outage(
    corner: Corner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "CONNECT_SECONDS", 0.2)
    connection = PostgresConnection.read(Environment(corner.variables))
    db = Database(structs.replace(connection, pool_size=1))
    await db.open()

    async def ask() -> int:
        async with db.connection() as connection:
            answer: int = await connection.fetchval("SELECT 1")
            return answer

    async with db.connection():
        outcomes = await asyncio.gather(*(ask() for _ in range(CROWD)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * CROWD

    assert await ask() == 1
    await db.close()
