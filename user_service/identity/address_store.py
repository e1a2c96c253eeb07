"""An account's address in the table `accounts`, which account_store owns, and how it moves."""

from __future__ import annotations

from uuid import UUID

from asyncpg import UniqueViolationError

from user_service.storage.postgres import Connection, Transaction


async def move(tx: Transaction, account_id: UUID, address: str) -> bool:
    """Whether the address could be given to this account: another may have taken it meanwhile."""
    try:
        async with tx.transaction():
            await tx.execute(
                "UPDATE accounts SET email = $2, epoch = epoch + 1 WHERE id = $1",
                account_id,
                address,
            )
    except UniqueViolationError:
        return False
    return True


async def set_challenge(tx: Transaction, account_id: UUID, challenge_id: str) -> str | None:
    """Let this challenge alone move the account; returns the one before it, which counts no more.

    A new password ends it, too: see `password_store.replace`.
    """
    before: str | None = await tx.fetchval(
        """
        UPDATE accounts SET address_challenge = $2 WHERE id = $1 RETURNING old.address_challenge
        """,
        account_id,
        challenge_id,
    )
    return before


async def challenge(connection: Connection, account_id: UUID) -> str | None:
    """The challenge whose code moves the account to another address, or has moved it last."""
    current: str | None = await connection.fetchval(
        "SELECT address_challenge FROM accounts WHERE id = $1", account_id
    )
    return current
