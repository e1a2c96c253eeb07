"""Password hashes in the table `accounts`, which account_store owns: who set them, and how."""

from __future__ import annotations

from uuid import UUID

from user_service.storage.postgres import Connection, Transaction

MOST_SCHEMES = 32


async def replace(
    tx: Transaction, account_id: UUID, password_hash: str | None, *, challenge_id: str | None = None
) -> None:
    """Without a hash no password is the right one until recovery sets another.

    `challenge_id` is the recovery that sets it, if one does. A move to another address that was
    begun before is dead by it.
    """
    await tx.execute(
        """
        UPDATE accounts SET
            password_hash = $2,
            password_chosen = true,
            password_challenge = $3,
            epoch = epoch + 1,
            address_challenge = NULL
        WHERE id = $1
        """,
        account_id,
        password_hash,
        challenge_id,
    )


async def challenge(connection: Connection, account_id: UUID) -> str | None:
    """The recovery that set the password in use, if one did."""
    recovery: str | None = await connection.fetchval(
        "SELECT password_challenge FROM accounts WHERE id = $1", account_id
    )
    return recovery


async def schemes_in_use(connection: Connection) -> list[tuple[str, int]]:
    """The schemes of about 10,000 sampled accounts' hashes, with counts; the most frequent ones.

    A scheme is the hash without its last two parts, salt and digest. There may be as many as
    accounts, for an import brings what it likes.
    """
    rows = await connection.fetch(
        r"""
        WITH size AS (
            SELECT greatest(reltuples, 1) AS accounts FROM pg_class WHERE oid = 'accounts'::regclass
        ), scheme AS (
            SELECT regexp_replace(password_hash, '\$[^$]*\$[^$]*$', '') AS text
            FROM accounts TABLESAMPLE SYSTEM ((SELECT least(100, 1000000 / accounts) FROM size))
            WHERE password_hash IS NOT NULL
        ), frequent AS (
            SELECT text, count(*) AS accounts FROM scheme GROUP BY text
            ORDER BY accounts DESC, text LIMIT $1
        )
        SELECT text, accounts FROM frequent ORDER BY text
        """,
        MOST_SCHEMES,
    )
    return [(row["text"], row["accounts"]) for row in rows]
