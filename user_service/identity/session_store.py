"""The table `sessions`: one row for each login, kept for 30 days after its end."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from msgspec import Struct

from user_service.identity.account_store import COLUMNS, Account, account_of
from user_service.storage.postgres import Connection, Transaction


class Device(Struct, frozen=True):
    """What a session is recognised by in its owner's list."""

    address: str
    user_agent: str


async def add(tx: Transaction, account_id: UUID, lifetime: timedelta, device: Device) -> UUID:
    session_id: UUID = await tx.fetchval(
        """
        INSERT INTO sessions (account_id, expires_at, address, user_agent)
        VALUES ($1, now() + $2, $3::text::inet, $4)
        RETURNING id
        """,
        account_id,
        lifetime,
        device.address,
        device.user_agent,
    )
    return session_id


async def account_of_live(
    connection: Connection, session_id: UUID, account_id: UUID
) -> Account | None:
    """The account, if it is active and this session of it has neither ended nor expired."""
    row = await connection.fetchrow(
        f"""
        SELECT {COLUMNS}
        FROM sessions JOIN accounts ON accounts.id = sessions.account_id
        WHERE sessions.id = $1 AND accounts.id = $2 AND accounts.status = 'active'
          AND sessions.ended_at IS NULL AND sessions.expires_at > now()
        """,
        session_id,
        account_id,
    )
    return account_of(row) if row else None


async def sweep(connection: Connection, most: int) -> int:
    """Delete up to `most` sessions that ended more than 30 days ago, and return how many."""
    done = await connection.execute(
        """
        DELETE FROM sessions WHERE id IN (
            SELECT id FROM sessions
            WHERE least(ended_at, expires_at) < now() - interval '30 days' LIMIT $1
        )
        """,
        most,
    )
    return int(done.split()[-1])
