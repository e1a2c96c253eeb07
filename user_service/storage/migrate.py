"""Applying the numbered SQL files once each, in order, by one process at a time."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import asyncpg
from msgspec import Struct

from user_service.settings.database import PostgresConnection
from user_service.storage.postgres import Connection

FOLDER = Path(__file__).with_name("migrations")
ADVISORY_LOCK = 0x6761746570  # any number, as long as every instance takes the same


class MigrationChanged(Exception):
    """A migration that was applied is not the file that lies here."""


class Migration(Struct, frozen=True):
    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return sha256(self.sql.encode()).hexdigest()


def migrations() -> list[Migration]:
    """The files as `0001_name.sql`, by number."""
    return [
        Migration(int(path.name[:4]), path.stem, path.read_text("utf-8"))
        for path in sorted(FOLDER.glob("[0-9]*.sql"))
    ]


async def migrate(connection: PostgresConnection) -> list[str]:
    """Apply what is missing, all or nothing, and return its names; raises MigrationChanged."""
    database = await asyncpg.connect(**connection.connect_options(), timeout=10)
    try:
        async with database.transaction():
            await database.execute("SELECT pg_advisory_xact_lock($1)", ADVISORY_LOCK)
            return await _apply(database)
    finally:
        await database.close()


async def _apply(database: asyncpg.Connection[asyncpg.Record]) -> list[str]:
    await database.execute(
        """
        CREATE TABLE IF NOT EXISTS applied_migrations (
            number     integer PRIMARY KEY,
            name       text NOT NULL,
            checksum   text NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )
    rows = await database.fetch("SELECT number, checksum FROM applied_migrations")
    applied = {row["number"]: row["checksum"] for row in rows}
    new = []
    for migration in migrations():
        if migration.number not in applied:
            await database.execute(migration.sql)
            await database.execute(
                "INSERT INTO applied_migrations (number, name, checksum) VALUES ($1, $2, $3)",
                migration.number,
                migration.name,
                migration.checksum,
            )
            new.append(migration.name)
        elif applied[migration.number] != migration.checksum:
            raise MigrationChanged(f"{migration.name} was changed after it had been applied.")
    return new


async def is_current(connection: Connection) -> bool:
    """Whether every migration that this version brings has been applied."""
    newest = await connection.fetchval("SELECT max(number) FROM applied_migrations")
    return newest is not None and newest >= migrations()[-1].number
