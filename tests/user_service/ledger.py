"""What Postgres holds about an account, and what it is about to tell of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from tests.corner import Corner


async def id_of(corner: Corner, email: str) -> UUID:
    """The id of the account that has this address."""
    ((id,),) = await corner.fetch("SELECT id FROM accounts WHERE email = $1", email)
    assert isinstance(id, UUID)
    return id


async def told(corner: Corner, id: UUID, *topics: str) -> list[dict[str, Any]]:
    """Payloads in the outbox of one account, in order; of these topics only, where some are named.

    Each has its `topic` besides.
    """
    rows = await corner.fetch(
        "SELECT topic, payload FROM outbox WHERE key = $1 ORDER BY id", str(id)
    )
    wanted = [row for row in rows if not topics or row["topic"] in topics]
    return [{"topic": row["topic"], **msgspec.json.decode(row["payload"])} for row in wanted]


async def audited(corner: Corner, id: UUID) -> list[tuple[str, str]]:
    """Action and outcome of each entry about an account, in order."""
    rows = await corner.fetch(
        "SELECT action, outcome FROM audit WHERE account_id = $1 ORDER BY id", id
    )
    return [(row["action"], row["outcome"]) for row in rows]


class Lock:
    """An account's row, locked by a connection of ours, so that requests about it queue up."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self._connection = connection

    async def execute(self, query: str, *arguments: object) -> None:
        await self._connection.execute(query, *arguments)

    async def waiting(self, many: int) -> None:
        """Return once so many statements of this database wait for a lock."""
        for _ in range(400):
            # Or a transaction would see the same picture again and again.
            await self._connection.execute("SELECT pg_stat_clear_snapshot()")
            blocked = await self._connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if blocked >= many:
                return
            await asyncio.sleep(0.005)
        raise AssertionError("nobody waits for the account")


@asynccontextmanager
async def held(corner: Corner, id: UUID) -> AsyncIterator[Lock]:
    """Keep an account locked, and commit at the end."""
    connection = await asyncpg.connect(corner.database_url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM accounts WHERE id = $1 FOR UPDATE", id)
            yield Lock(connection)
    finally:
        await connection.close()
