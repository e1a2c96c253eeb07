"""The table `claimed_usernames`, and which of its usernames an account has at present.

A claim is for ever: whoever gives a username up may take it up again, and nobody else ever may.
"""

from __future__ import annotations

from uuid import UUID

from user_service.storage.postgres import Connection, Transaction


async def claim(tx: Transaction, account_id: UUID, username: str) -> bool:
    """Give the account this username, unless it belongs to another; whether it could be given."""
    given: str | None = await tx.fetchval(
        """
        WITH claim AS (
            INSERT INTO claimed_usernames (username, account_id) VALUES ($2, $1)
            ON CONFLICT (username) DO UPDATE SET claimed_at = now()
            WHERE claimed_usernames.account_id = $1
            RETURNING username
        )
        UPDATE accounts SET username = claim.username FROM claim WHERE id = $1
        RETURNING accounts.username
        """,
        account_id,
        username,
    )
    return given is not None


async def claim_each(tx: Transaction, wishes: dict[UUID, str]) -> dict[UUID, str]:
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


async def claimed(connection: Connection, usernames: list[str]) -> set[str]:
    """Which of them belong to somebody."""
    rows = await connection.fetch(
        "SELECT username FROM claimed_usernames WHERE username = ANY($1)", usernames
    )
    return {row["username"] for row in rows}


async def give_up(tx: Transaction, account_id: UUID) -> None:
    """The account has no username any more, and keeps its claim."""
    await tx.execute("UPDATE accounts SET username = NULL WHERE id = $1", account_id)


async def count_others(tx: Transaction, account_id: UUID, username: str) -> int:
    """How many usernames besides this one the account has claimed in its life."""
    others: int = await tx.fetchval(
        "SELECT count(*) FROM claimed_usernames WHERE account_id = $1 AND username <> $2",
        account_id,
        username,
    )
    return others
