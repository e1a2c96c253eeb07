"""An account is deleted, with everything that says who the person was."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from shared.events import UserDeleted
from user_service.accounts.notices import notice
from user_service.accounts.sessions_ended import end_sessions
from user_service.audit import audit_store
from user_service.audit.audit_store import Actor
from user_service.identity import account_store, clerk_store, session_store
from user_service.identity.account_store import Account
from user_service.outbox import outbox_store
from user_service.storage.postgres import Database, Transaction

# What one statement deletes or erases well within its time.
BATCH = 2000


async def delete_account(tx: Transaction, account: Account, by: Actor) -> str | None:
    """The address may register again; the username is never given out again. Under the lock.

    Returns the challenge of a change of address that was begun, for `Traces`.
    """
    await end_sessions(tx, account.id, by)
    event = UserDeleted(
        user_id=str(account.id),
        account_version=await account_store.advance(tx, account.id),
        deleted_at=datetime.now(UTC),
    )
    farewell = notice("account-deleted", None, account.email)
    await outbox_store.put(tx, account.id, event, farewell)
    await outbox_store.erase(tx, account.id)
    await audit_store.write(tx, account.id, "deleted", by)
    await audit_store.forget_addresses(tx, account.id)
    await clerk_store.forget_account(tx, account.id)
    return await account_store.delete(tx, account.id)


async def thin_out(db: Database, id: UUID) -> None:
    """Before a deletion: take away the most of what a busy account has gathered.

    Nobody could delete it otherwise, since one statement cannot do it all in time. Each batch is
    committed by itself, so that a try which a deadline cuts short leaves less to the next one.
    """
    while await _thin_out(db, id):
        pass


async def _thin_out(db: Database, id: UUID) -> int:
    async with db.transaction() as tx:
        return (
            await session_store.forget_ended(tx, id, sparing=BATCH, most=BATCH)
            + await outbox_store.erase(tx, id, sparing=BATCH, most=BATCH)
            + await audit_store.forget_addresses(tx, id, sparing=BATCH, most=BATCH)
        )
