"""Password hashes in the table `accounts`, which account_store owns: who set them, their costs."""

from __future__ import annotations

from uuid import UUID

from user_service.storage.postgres import Connection, Transaction


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


async def costs_in_use(connection: Connection) -> list[tuple[str, int]]:
    """Argon2 parameters of about 10,000 sampled accounts, as in a PHC string, with their counts."""
    rows = await connection.fetch(
        """
        WITH size AS (
            SELECT greatest(reltuples, 1) AS accounts FROM pg_class WHERE oid = 'accounts'::regclass
        )
        SELECT split_part(password_hash, '$', 4) AS parameters, count(*) AS accounts
        FROM accounts TABLESAMPLE SYSTEM ((SELECT least(100, 1000000 / accounts) FROM size))
        WHERE password_hash IS NOT NULL
        GROUP BY 1 ORDER BY 1
        """
    )
    return [(row["parameters"], row["accounts"]) for row in rows]
