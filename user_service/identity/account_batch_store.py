"""The table `accounts`, which account_store owns: many rows in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from user_service.identity.account_store import COLUMNS, Account, account_of
from user_service.storage.postgres import Connection, Transaction


class ImportedAccount(Struct, frozen=True, kw_only=True):
    """An account that is brought along; `created_at` is None when that is now."""

    id: UUID
    email: str
    name: str
    username: str | None
    password_hash: str | None
    created_at: datetime | None


async def ids_by_address(connection: Connection, addresses: list[str]) -> dict[str, UUID]:
    """The accounts that have these addresses."""
    rows = await connection.fetch("SELECT email, id FROM accounts WHERE email = ANY($1)", addresses)
    return {row["email"]: row["id"] for row in rows}


async def lock_by_address(tx: Transaction, addresses: list[str]) -> dict[str, UUID]:
    """The same, and they stay until the transaction ends."""
    rows = await tx.fetch(
        "SELECT email, id FROM accounts WHERE email = ANY($1) ORDER BY id FOR UPDATE", addresses
    )
    return {row["email"]: row["id"] for row in rows}


async def passwordless(connection: Connection, ids: list[UUID]) -> set[UUID]:
    """Those of them that have no password and never had one that was chosen here."""
    rows = await connection.fetch(
        """
        SELECT id FROM accounts
        WHERE id = ANY($1) AND password_hash IS NULL AND NOT password_chosen
        """,
        ids,
    )
    return {row["id"] for row in rows}


async def give_hashes(tx: Transaction, hashes: dict[UUID, str]) -> list[UUID]:
    """Give imported passwords to accounts that are still without one; returns which."""
    rows = await tx.fetch(
        """
        UPDATE accounts SET password_hash = given.hash
        FROM unnest($1::uuid[], $2::text[]) AS given (id, hash)
        WHERE accounts.id = given.id AND password_hash IS NULL AND NOT password_chosen
        RETURNING accounts.id
        """,
        list(hashes),
        list(hashes.values()),
    )
    return [row["id"] for row in rows]


async def insert(tx: Transaction, imported: Sequence[ImportedAccount]) -> list[Account]:
    """The new accounts, without usernames; whose address has one already is left out."""
    rows = await tx.fetch(
        f"""
        INSERT INTO accounts
            (id, email, name, password_hash, password_chosen, version, created_at)
        SELECT id, email, name, password_hash, false, 1,
            least(created_at, now())
        FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
            AS imported (id, email, name, password_hash, created_at)
        ORDER BY email
        ON CONFLICT DO NOTHING
        RETURNING {COLUMNS}
        """,
        [account.id for account in imported],
        [account.email for account in imported],
        [account.name for account in imported],
        [account.password_hash for account in imported],
        [account.created_at for account in imported],
    )
    return [account_of(row) for row in rows]
