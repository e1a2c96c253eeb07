"""The table `outbox`."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from shared import events
from shared.topics import Topic
from user_service.storage.postgres import Connection, Transaction

RELAY_LOCK = 0x72656C6179


class PendingEvent(Struct, frozen=True):
    id: int
    event_id: UUID
    topic: str
    key: str
    payload: str
    created_at: datetime


async def put(tx: Transaction, topic: Topic, key: str, event: Struct) -> None:
    """Record an event in the caller's transaction; `key` orders it within its topic."""
    await tx.execute(
        "INSERT INTO outbox (topic, key, payload) VALUES ($1, $2, $3)",
        topic.name,
        key,
        events.encode(event).decode(),
    )


async def claim(tx: Transaction) -> bool:
    """Whether this transaction may relay: two at a time would mix up an account's events."""
    claimed: bool = await tx.fetchval("SELECT pg_try_advisory_xact_lock($1)", RELAY_LOCK)
    return claimed


async def pending(tx: Transaction, most: int) -> list[PendingEvent]:
    """The oldest events that no broker has acknowledged.

    Ids rise in the order of commits within one account, because each of its events is put under
    the lock of its row.
    """
    rows = await tx.fetch(
        """
        SELECT id, event_id, topic, key, payload, created_at
        FROM outbox WHERE acknowledged_at IS NULL ORDER BY id LIMIT $1
        """,
        most,
    )
    return [PendingEvent(*row) for row in rows]


async def acknowledge(tx: Transaction, ids: list[int]) -> None:
    await tx.execute("UPDATE outbox SET acknowledged_at = now() WHERE id = ANY($1)", ids)


async def sweep(connection: Connection, most: int) -> int:
    """Delete up to `most` events acknowledged more than 7 days ago, and return how many."""
    done = await connection.execute(
        """
        DELETE FROM outbox WHERE id IN (
            SELECT id FROM outbox WHERE acknowledged_at < now() - interval '7 days' LIMIT $1
        )
        """,
        most,
    )
    return int(done.split()[-1])
