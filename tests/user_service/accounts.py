"""Accounts that came about without a registration, where only their existence matters."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.env import Environment
from tests.corner import Corner
from user_service.settings.database import PostgresConnection
from user_service.storage.postgres import Database


async def settled(corner: Corner, many: int) -> list[str]:
    """The ids of so many accounts."""
    ids = [uuid.uuid4() for _ in range(many)]
    await corner.fetch(
        """
        INSERT INTO accounts (id, email, name, version)
        SELECT id, id || '@example.org', 'Unnamed', 1 FROM unnest($1::uuid[]) AS id
        """,
        ids,
    )
    return [str(id) for id in ids]


@asynccontextmanager
async def opened(corner: Corner) -> AsyncIterator[Database]:
    """The stores' own way into this corner."""
    db = Database(PostgresConnection.read(Environment(corner.variables)))
    await db.open()
    try:
        yield db
    finally:
        await db.close()


def link(corner: Corner, account_id: object) -> str:
    """The id of a user of Clerk that the account stands for from now on."""
    clerk_id = f"user_{uuid.uuid4().hex}"
    corner.rows(
        "INSERT INTO clerk_users (id, account_id, updated_at, sent_at)"
        " VALUES ($1, $2, now(), now())",
        *(clerk_id, uuid.UUID(str(account_id))),
    )
    return clerk_id
