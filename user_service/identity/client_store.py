"""The table `clients`: other services that may ask about tokens and revoke them."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from user_service.storage.postgres import Connection, Transaction, rows_in


class RegisteredClient(Struct, frozen=True):
    id: str
    created_at: datetime


async def secret_digest(connection: Connection, id: str) -> bytes | None:
    """The digest of the client's secret, or None when there is no such client."""
    digest: bytes | None = await connection.fetchval(
        "SELECT secret_digest FROM clients WHERE id = $1", id
    )
    return digest


async def add(tx: Transaction, id: str, digest: bytes) -> bool:
    """Whether the name was free."""
    done: str = await tx.execute(
        "INSERT INTO clients (id, secret_digest) VALUES ($1, $2) ON CONFLICT DO NOTHING", id, digest
    )
    return rows_in(done) == 1


async def remove(tx: Transaction, id: str) -> bool:
    """Whether there was such a client."""
    done: str = await tx.execute("DELETE FROM clients WHERE id = $1", id)
    return rows_in(done) == 1


async def every(connection: Connection) -> list[RegisteredClient]:
    rows = await connection.fetch("SELECT id, created_at FROM clients ORDER BY id")
    return [RegisteredClient(*row) for row in rows]
