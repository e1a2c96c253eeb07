"""The tables `accounts` and `claimed_usernames`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from asyncpg import Record
from msgspec import Struct

from user_service.storage.postgres import Connection, Transaction


class Account(Struct, frozen=True, kw_only=True):
    id: UUID
    email: str
    username: str | None
    name: str
    created_at: datetime
    version: int


class Credentials(Struct, frozen=True):
    account: Account
    password_hash: str
    active: bool


class Availability(Struct, frozen=True):
    address_taken: bool
    username_taken: bool


# Qualified, so that they stand in joins too.
COLUMNS = ", ".join(f"accounts.{name}" for name in Account.__struct_fields__)


async def availability(connection: Connection, address: str, username: str | None) -> Availability:
    """Who has the address and the username, in one look that is the same for both answers."""
    row = await connection.fetchrow(
        """
        SELECT EXISTS (SELECT FROM accounts WHERE email = $1) AS address_taken,
               EXISTS (SELECT FROM claimed_usernames WHERE username = $2) AS username_taken
        """,
        address,
        username,
    )
    return Availability(*row) if row else Availability(False, False)


async def insert(
    tx: Transaction, *, id: UUID, email: str, username: str | None, name: str, password_hash: str
) -> Account | None:
    """The new account, or None when the address has one already.

    A username that was lost to somebody else meanwhile becomes None.
    """
    row = await tx.fetchrow(
        f"""
        INSERT INTO accounts (id, email, name, password_hash, version)
        VALUES ($1, $2, $3, $4, 1)
        ON CONFLICT DO NOTHING
        RETURNING {COLUMNS}
        """,
        id,
        email,
        name,
        password_hash,
    )
    if row is None:
        return None
    if username is None:
        return account_of(row)
    return await _claim(tx, id, username) or account_of(row)


async def _claim(tx: Transaction, id: UUID, username: str) -> Account | None:
    row = await tx.fetchrow(
        f"""
        WITH claim AS (
            INSERT INTO claimed_usernames (username, account_id) VALUES ($2, $1)
            ON CONFLICT DO NOTHING
            RETURNING username
        )
        UPDATE accounts SET username = claim.username FROM claim WHERE id = $1
        RETURNING {COLUMNS}
        """,
        id,
        username,
    )
    return account_of(row) if row else None


async def find(connection: Connection, id: UUID) -> Account | None:
    row = await connection.fetchrow(f"SELECT {COLUMNS} FROM accounts WHERE id = $1", id)
    return account_of(row) if row else None


async def credentials(
    connection: Connection, kind: Literal["email", "username"], identifier: str
) -> Credentials | None:
    """What a login is checked against, by canonical address or username."""
    row = await connection.fetchrow(
        f"""
        SELECT {COLUMNS}, password_hash, status = 'active' AS active
        FROM accounts WHERE {kind} = $1
        """,
        identifier,
    )
    return Credentials(account_of(row), row["password_hash"], row["active"]) if row else None


class RenewedHash(Struct, frozen=True):
    """The same password at today's cost, and the hash it was verified against."""

    old: str
    new: str


async def advance(tx: Transaction, id: UUID, *, renewed: RenewedHash | None = None) -> int | None:
    """The version of this account's next event, or None when it is not active any more.

    A renewed hash takes the place of the one it renews, never of a password set meanwhile.

    Locks the row until the transaction ends, so that an account's events are committed in order.
    """
    version: int | None = await tx.fetchval(
        """
        UPDATE accounts
        SET version = version + 1,
            password_hash = CASE password_hash WHEN $2 THEN $3 ELSE password_hash END
        WHERE id = $1 AND status = 'active'
        RETURNING version
        """,
        id,
        renewed and renewed.old,
        renewed and renewed.new,
    )
    return version


async def hash_costs_in_use(connection: Connection) -> list[tuple[str, int]]:
    """Argon2 parameters of about 10,000 sampled accounts, as in a PHC string, with their counts."""
    rows = await connection.fetch(
        """
        WITH size AS (
            SELECT greatest(reltuples, 1) AS accounts FROM pg_class WHERE oid = 'accounts'::regclass
        )
        SELECT split_part(password_hash, '$', 4) AS parameters, count(*) AS accounts
        FROM accounts TABLESAMPLE SYSTEM ((SELECT least(100, 1000000 / accounts) FROM size))
        GROUP BY 1 ORDER BY 1
        """
    )
    return [(row["parameters"], row["accounts"]) for row in rows]


def account_of(row: Record) -> Account:
    """The account in a row that was selected with `COLUMNS`."""
    return Account(**{name: row[name] for name in Account.__struct_fields__})
