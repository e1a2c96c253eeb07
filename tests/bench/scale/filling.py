"""Filling a database with a crowd, as fast as its server can."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import asyncpg
from msgspec import Struct

from tests.bench.scale import crowd

Say = Callable[[str], None]

# What needs no other of the three is filled beside it; what stands in a row, one after the other.
SIDE_BY_SIDE = (
    (crowd.SESSIONS, crowd.OUTBOX),
    (crowd.ACCOUNTS, crowd.CLAIMED, crowd.CLERK, crowd.CHANGES),
    (crowd.AUDIT, crowd.DELETED, crowd.APPLIED),
)
# An index that is made at once takes a fraction of one that grows row by row.
CONSTRAINTS = """
    SELECT conrelid::regclass::text AS its_table, conname AS name, pg_get_constraintdef(oid) AS text
    FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND contype IN ('p', 'u', 'f')
    ORDER BY contype = 'f', conname
"""
INDEXES = """
    SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS text
    FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
    WHERE relnamespace = 'public'::regnamespace
      AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""


class Crowd(Struct, frozen=True):
    accounts: int
    sessions: int

    def __str__(self) -> str:
        return f"{self.accounts:,} accounts and {self.sessions:,} sessions"


def fill(url: str, people: Crowd, say: Say) -> None:
    asyncio.run(_fill(url, people, say))


async def _fill(url: str, people: Crowd, say: Say) -> None:
    connection = await _connected(url)
    constraints = await connection.fetch(CONSTRAINTS)
    indexes = await connection.fetch(INDEXES)
    for each in reversed(constraints):
        await connection.execute(f"ALTER TABLE {each['its_table']} DROP CONSTRAINT {each['name']}")
    for each in indexes:
        await connection.execute(f"DROP INDEX {each['name']}")
    began = time.monotonic()
    await asyncio.gather(*(_insert(url, statements, people) for statements in SIDE_BY_SIDE))
    say(f"{people}: their rows are there after {time.monotonic() - began:.0f} s")
    for each in constraints:
        text = f"ALTER TABLE {each['its_table']} ADD CONSTRAINT {each['name']} {each['text']}"
        await connection.execute(text)
    for each in indexes:
        await connection.execute(each["text"])
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
    say(f"with their indexes after {time.monotonic() - began:.0f} s")


async def _insert(url: str, statements: Sequence[str], people: Crowd) -> None:
    connection = await _connected(url)
    for statement in statements:
        insert = await connection.prepare(statement)
        values = (people.accounts, people.sessions, crowd.DEVICES)
        async with connection.transaction():
            # What it emptied itself a transaction fills without a log.
            await connection.execute(f"TRUNCATE {_filled_by(statement)}")
            await insert.fetch(*values[: len(insert.get_parameters())])
    await connection.close()


def _filled_by(statement: str) -> str:
    return statement.split("INSERT INTO ", 1)[1].split()[0]


async def _connected(url: str) -> asyncpg.Connection[asyncpg.Record]:
    settings = {"maintenance_work_mem": "1GB", "work_mem": "256MB"}
    return await asyncpg.connect(url, server_settings=settings)
