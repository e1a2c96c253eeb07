"""An account gets another password, or none until its owner sets one."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from shared.events import PasswordChanged, PasswordResetCompleted, PasswordResetRequested
from user_service.accounts.notices import few_lately, notice
from user_service.accounts.sessions_ended import end_sessions
from user_service.audit import audit_store
from user_service.audit.audit_store import Actor
from user_service.identity import account_store, clerk_link_store, password_store
from user_service.identity.account_store import Account
from user_service.outbox import outbox_store
from user_service.storage.postgres import Transaction


async def change_password(
    tx: Transaction, account: Account, password_hash: str, by: Actor, *, keep: UUID
) -> None:
    """By somebody who knows the old one: every session but `keep` ends. Under the lock."""
    await password_store.replace(tx, account.id, password_hash)
    event = PasswordChanged(
        user_id=str(account.id),
        account_version=await account_store.advance(tx, account.id),
        changed_at=datetime.now(UTC),
    )
    notices = [notice("password-changed", account.id, account.email)]
    told = notices if await few_lately(tx, account.id, PasswordChanged) else []
    await outbox_store.put(tx, account.id, event, *told)
    await audit_store.write(tx, account.id, "password_changed", by)
    await end_sessions(tx, account.id, by, keep=keep)


async def reset_password(
    tx: Transaction, account: Account, password_hash: str, by: Actor, *, challenge_id: str
) -> None:
    """By somebody who reads the mailbox: every session ends. Under the lock."""
    await password_store.replace(tx, account.id, password_hash, challenge_id=challenge_id)
    event = PasswordResetCompleted(
        user_id=str(account.id),
        account_version=await account_store.advance(tx, account.id),
        completed_at=datetime.now(UTC),
    )
    told = notice("password-changed", account.id, account.email)
    await outbox_store.put(tx, account.id, event, told)
    await audit_store.write(tx, account.id, "password_reset", by)
    # The mailbox may have come to somebody else since Clerk has verified it.
    if await clerk_link_store.unlink_former_owner(tx, account.id, account.email):
        await audit_store.write(tx, account.id, "clerk_unlinked", by)
    await end_sessions(tx, account.id, by)


async def withdraw_password(tx: Transaction, account: Account, by: Actor) -> None:
    """Force a reset: no password is right until the owner sets another. Under the lock."""
    await password_store.replace(tx, account.id, None)
    event = PasswordResetRequested(
        user_id=str(account.id),
        account_version=await account_store.advance(tx, account.id),
        requested_at=datetime.now(UTC),
    )
    told = notice("password-reset-required", account.id, account.email)
    await outbox_store.put(tx, account.id, event, told)
    await audit_store.write(tx, account.id, "password_withdrawn", by)
    await end_sessions(tx, account.id, by)
