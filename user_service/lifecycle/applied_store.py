"""The table `applied_events`: other services' events that have had their effect."""

from __future__ import annotations

from user_service.storage.postgres import Connection, Transaction, rows_in


async def add(tx: Transaction, source: str, event_id: str) -> bool:
    """Whether this event is new; one that is being applied elsewhere is waited for."""
    new = await tx.fetchval(
        """
        INSERT INTO applied_events (source, event_id) VALUES ($1, $2)
        ON CONFLICT DO NOTHING RETURNING true
        """,
        source,
        event_id,
    )
    return new is not None


async def sweep(connection: Connection, most: int) -> int:
    """Delete up to `most` that were applied more than 30 days ago, and return how many.

    No topic keeps an event for so long, so it does not come again.
    """
    done = await connection.execute(
        """
        DELETE FROM applied_events WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM applied_events WHERE applied_at < now() - interval '30 days'
            ORDER BY applied_at LIMIT $1
        ))
        """,
        most,
    )
    return rows_in(done)
