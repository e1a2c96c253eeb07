"""The table `sessions`: one row for each login that has not ended."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from msgspec import Struct

from user_service.identity.account_store import Account, account_of
from user_service.storage.postgres import Transaction


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


async def account_of_live(tx: Transaction, session_id: UUID, account_id: UUID) -> Account | None:
    """The account, if it is active and this session of it has neither ended nor expired."""
    row = await tx.fetchrow(
        """
        SELECT accounts.id, email, username, name, accounts.created_at, version
        FROM sessions JOIN accounts ON accounts.id = sessions.account_id
        WHERE sessions.id = $1 AND accounts.id = $2 AND accounts.status = 'active'
          AND sessions.ended_at IS NULL AND sessions.expires_at > now()
        """,
        session_id,
        account_id,
    )
    return account_of(row) if row else None


async def sweep(tx: Transaction) -> None:
    """Delete what ended or expired more than 30 days ago."""
    await tx.execute(
        "DELETE FROM sessions WHERE least(ended_at, expires_at) < now() - interval '30 days'"
    )
