"""The table `clerk_users`: users of Clerk, and the accounts that stand for them.

A user that Clerk has deleted, or whose account was deleted here, stays known for good: its row
says nothing of a person any more, and keeps a late event from bringing the account back.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from user_service.identity.account_store import COLUMNS, Account, account_of
from user_service.storage.postgres import Connection, Transaction


class Version(Struct, frozen=True, order=True):
    """How new something is that Clerk says of a user, by Clerk's clock."""

    updated_at: datetime
    sent_at: datetime


class ClerkUser(Struct, frozen=True, kw_only=True):
    """`account_id` is None while no account stands for the user, `made_account` whether that one
    was made for it."""

    id: str
    account_id: UUID | None
    made_account: bool
    version: Version
    deleted: bool


async def lock(tx: Transaction, id: str) -> ClerkUser | None:
    """What is known of the user; nobody else learns of it until the transaction ends.

    Not the row, which may not be there yet, but the id is locked: who has it goes on to lock
    accounts, while who deletes an account goes from there to the row.
    """
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", id)
    row = await tx.fetchrow(
        """
        SELECT account_id, made_account, updated_at, sent_at, deleted
        FROM clerk_users WHERE id = $1
        """,
        id,
    )
    if row is None:
        return None
    return ClerkUser(
        id=id,
        account_id=row["account_id"],
        made_account=row["made_account"],
        version=Version(row["updated_at"], row["sent_at"]),
        deleted=row["deleted"],
    )


async def note(tx: Transaction, id: str, version: Version) -> None:
    """The newest that is known of the user; what waited before does so no more."""
    await tx.execute(
        """
        INSERT INTO clerk_users (id, updated_at, sent_at) VALUES ($1, $2, $3)
        ON CONFLICT (id) DO UPDATE SET
            updated_at = excluded.updated_at, sent_at = excluded.sent_at, waiting = NULL
        """,
        id,
        version.updated_at,
        version.sent_at,
    )


async def link(tx: Transaction, id: str, account_id: UUID, *, made_account: bool) -> None:
    await tx.execute(
        "UPDATE clerk_users SET account_id = $2, made_account = $3 WHERE id = $1",
        id,
        account_id,
        made_account,
    )


async def wait(tx: Transaction, id: str, event: bytes) -> None:
    """Keep an event until somebody else gives its address up."""
    await tx.execute("UPDATE clerk_users SET waiting = $2 WHERE id = $1", id, event.decode())


async def waiting(connection: Connection) -> list[bytes]:
    """The events that wait."""
    rows = await connection.fetch(
        "SELECT waiting FROM clerk_users WHERE waiting IS NOT NULL ORDER BY updated_at"
    )
    return [row["waiting"].encode() for row in rows]


async def mark_deleted(tx: Transaction, id: str, version: Version) -> None:
    """The user is gone, whether or not anything was known of it before."""
    await tx.execute(
        """
        INSERT INTO clerk_users (id, updated_at, sent_at, deleted) VALUES ($1, $2, $3, true)
        ON CONFLICT (id) DO UPDATE SET
            updated_at = excluded.updated_at, sent_at = excluded.sent_at,
            deleted = true, account_id = NULL, waiting = NULL
        """,
        id,
        version.updated_at,
        version.sent_at,
    )


async def forget_account(tx: Transaction, account_id: UUID) -> None:
    """The account is deleted here: Clerk's next word on its user makes no other."""
    await tx.execute(
        """
        UPDATE clerk_users SET deleted = true, account_id = NULL, waiting = NULL
        WHERE account_id = $1
        """,
        account_id,
    )


async def user_of(connection: Connection, account_id: UUID) -> str | None:
    """The id of the Clerk user that the account stands for."""
    id: str | None = await connection.fetchval(
        "SELECT id FROM clerk_users WHERE account_id = $1", account_id
    )
    return id


async def account_behind(connection: Connection, id: str) -> Account | None:
    """The active account that stands for a Clerk user."""
    row = await connection.fetchrow(
        f"""
        SELECT {COLUMNS}
        FROM clerk_users JOIN accounts ON accounts.id = clerk_users.account_id
        WHERE clerk_users.id = $1 AND accounts.status = 'active'
        """,
        id,
    )
    return account_of(row) if row else None
