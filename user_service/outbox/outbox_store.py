"""The table `outbox`."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct

from shared import events
from user_service.storage.postgres import Connection, Transaction

RELAY_LOCK = 0x72656C6179


class PendingEvent(Struct, frozen=True):
    id: int
    event_id: UUID
    topic: str
    key: str
    payload: str
    created_at: datetime
    decoy: bool


async def put(tx: Transaction, key: UUID, *produced: Struct, decoy: bool = False) -> None:
    """Record events in the caller's transaction; the account's id orders them within a topic.

    A decoy is written like an event and never produced.
    """
    await tx.execute(
        """
        INSERT INTO outbox (topic, key, payload, decoy)
        SELECT topic, $1, payload, $4
        FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS event (topic, payload, position)
        ORDER BY position
        """,
        str(key),
        [events.TOPICS[type(event)].name for event in produced],
        [events.encode(event).decode() for event in produced],
        decoy,
    )


async def count_lately(tx: Transaction, key: UUID, kind: type[Struct], within: timedelta) -> int:
    """How many events of a kind were put for an account lately."""
    count: int = await tx.fetchval(
        """
        SELECT count(*) FROM outbox
        WHERE key = $1 AND topic = $2 AND created_at > now() - $3::interval
        """,
        str(key),
        events.TOPICS[kind].name,
        within,
    )
    return count


async def erase(tx: Transaction, key: UUID) -> None:
    """Forget who a person was: at once in what is produced already, afterwards in the rest."""
    await tx.execute(
        """
        UPDATE outbox SET
            erase = true,
            payload = CASE WHEN acknowledged_at IS NULL THEN payload
                           ELSE without_personal_fields(payload) END
        WHERE key = $1
        """,
        str(key),
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
        SELECT id, event_id, topic, key, payload, created_at, decoy
        FROM outbox WHERE acknowledged_at IS NULL ORDER BY id LIMIT $1
        """,
        most,
    )
    return [PendingEvent(*row) for row in rows]


async def acknowledge(tx: Transaction, ids: list[int]) -> None:
    await tx.execute(
        """
        UPDATE outbox SET
            acknowledged_at = now(),
            payload = CASE WHEN erase THEN without_personal_fields(payload) ELSE payload END
        WHERE id = ANY($1)
        """,
        ids,
    )


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
