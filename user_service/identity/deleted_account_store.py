"""The table `deleted_accounts`: ids of accounts that are gone, and nothing else about them.

Other services' events about them come for as long as topics keep any, and so do repeated
verifications; neither may be taken for one about a user that never was.
"""

from __future__ import annotations

from uuid import UUID

from user_service.storage.postgres import Connection, Transaction, rows_in


async def add(tx: Transaction, account_id: UUID) -> None:
    await tx.execute("INSERT INTO deleted_accounts (id) VALUES ($1)", account_id)


async def includes(connection: Connection, account_id: UUID) -> bool:
    """Whether an account had this id, and was deleted no more than about a week ago."""
    deleted: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM deleted_accounts WHERE id = $1)", account_id
    )
    return deleted


async def sweep(connection: Connection, most: int) -> int:
    """Forget up to `most` accounts deleted more than 8 days ago, and return how many."""
    done = await connection.execute(
        """
        DELETE FROM deleted_accounts WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM deleted_accounts WHERE deleted_at < now() - interval '8 days'
            ORDER BY deleted_at LIMIT $1
        ))
        """,
        most,
    )
    return rows_in(done)
