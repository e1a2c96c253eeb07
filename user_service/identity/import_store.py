"""The tables `accounts`, `claimed_usernames` and `clerk_users`, many rows in one statement.

Whoever fills them takes their locks in the order of everybody else: users of Clerk by their ids,
then accounts that are there, then new addresses, then usernames; and several of a kind in one order
of their own. So no import and no request wait for each other in a circle.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from msgspec import Struct

from user_service.identity.account_store import COLUMNS, Account, account_of
from user_service.storage.postgres import Connection, Transaction

# What an import knows of a Clerk user is older than whatever Clerk sends a webhook about.
BEFORE_WEBHOOKS = datetime(1970, 1, 1, tzinfo=UTC)


class Newcomer(Struct, frozen=True, kw_only=True):
    """An account that is brought along; `created_at` is None when that is now."""

    id: UUID
    email: str
    name: str
    username: str | None
    password_hash: str | None
    created_at: datetime | None


class Link(Struct, frozen=True):
    """`made_account` is whether the account was made for the Clerk user, whose address is that."""

    clerk_id: str
    account_id: UUID
    address: str
    made_account: bool


class LinkedUser(Struct, frozen=True):
    clerk_id: str
    account_id: UUID | None
    deleted: bool


async def lock_clerk_users(tx: Transaction, ids: list[str]) -> None:
    """As clerk_store.lock does for one of them."""
    await tx.execute(
        """
        SELECT pg_advisory_xact_lock(key) FROM (
            SELECT DISTINCT hashtextextended(id, 0) AS key FROM unnest($1::text[]) AS id ORDER BY 1
        ) AS keys
        """,
        ids,
    )


async def clerk_users(
    connection: Connection, ids: list[str], account_ids: list[UUID]
) -> list[LinkedUser]:
    """What is known of these users, and of those that these accounts stand for."""
    rows = await connection.fetch(
        """
        SELECT id, account_id, deleted FROM clerk_users WHERE id = ANY($1)
        UNION
        SELECT id, account_id, deleted FROM clerk_users WHERE account_id = ANY($2)
        """,
        ids,
        account_ids,
    )
    return [LinkedUser(*row) for row in rows]


async def occupants(connection: Connection, addresses: list[str]) -> dict[str, UUID]:
    """The accounts that have these addresses."""
    rows = await connection.fetch("SELECT email, id FROM accounts WHERE email = ANY($1)", addresses)
    return {row["email"]: row["id"] for row in rows}


async def lock_occupants(tx: Transaction, addresses: list[str]) -> dict[str, UUID]:
    """The same, and they stay until the transaction ends."""
    rows = await tx.fetch(
        "SELECT email, id FROM accounts WHERE email = ANY($1) ORDER BY id FOR UPDATE", addresses
    )
    return {row["email"]: row["id"] for row in rows}


async def claimed(connection: Connection, usernames: list[str]) -> set[str]:
    """Which of them belong to somebody."""
    rows = await connection.fetch(
        "SELECT username FROM claimed_usernames WHERE username = ANY($1)", usernames
    )
    return {row["username"] for row in rows}


async def insert(tx: Transaction, newcomers: Sequence[Newcomer]) -> list[Account]:
    """The new accounts, without usernames; whose address has one already is left out."""
    rows = await tx.fetch(
        f"""
        INSERT INTO accounts
            (id, email, name, password_hash, password_imported, version, created_at)
        SELECT id, email, name, password_hash, password_hash IS NOT NULL, 1,
            least(created_at, now())
        FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
            AS newcomer (id, email, name, password_hash, created_at)
        ORDER BY email
        ON CONFLICT DO NOTHING
        RETURNING {COLUMNS}
        """,
        [newcomer.id for newcomer in newcomers],
        [newcomer.email for newcomer in newcomers],
        [newcomer.name for newcomer in newcomers],
        [newcomer.password_hash for newcomer in newcomers],
        [newcomer.created_at for newcomer in newcomers],
    )
    return [account_of(row) for row in rows]


async def claim(tx: Transaction, wishes: dict[UUID, str]) -> dict[UUID, str]:
    """Give new accounts their usernames; returns those that were free."""
    rows = await tx.fetch(
        """
        WITH claim AS (
            INSERT INTO claimed_usernames (username, account_id)
            SELECT username, account_id
            FROM unnest($1::text[], $2::uuid[]) AS wish (username, account_id)
            ORDER BY username
            ON CONFLICT DO NOTHING
            RETURNING username, account_id
        )
        UPDATE accounts SET username = claim.username FROM claim WHERE id = claim.account_id
        RETURNING accounts.id, accounts.username
        """,
        list(wishes.values()),
        list(wishes),
    )
    return {row["id"]: row["username"] for row in rows}


async def link(tx: Transaction, links: Sequence[Link]) -> None:
    """Nothing may be known of these Clerk users yet, whose locks the caller holds."""
    await tx.execute(
        """
        INSERT INTO clerk_users (
            id, account_id, email, made_account,
            updated_at, sent_at, email_updated_at, email_sent_at
        )
        SELECT id, account_id, email, made_account, $5, $5, $5, $5
        FROM unnest($1::text[], $2::uuid[], $3::text[], $4::boolean[])
            AS link (id, account_id, email, made_account)
        """,
        [link.clerk_id for link in links],
        [link.account_id for link in links],
        [link.address for link in links],
        [link.made_account for link in links],
        BEFORE_WEBHOOKS,
    )
