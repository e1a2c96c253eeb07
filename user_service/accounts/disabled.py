"""An account is shut, or opened again."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from shared.events import UserDeactivated
from user_service.accounts.edited import tell_update
from user_service.accounts.sessions_ended import end_sessions
from user_service.audit import audit_store
from user_service.audit.audit_store import Actor
from user_service.identity import account_store, change_store
from user_service.outbox import outbox_store
from user_service.storage.postgres import Transaction


async def disable_account(tx: Transaction, id: UUID, by: Actor, *, publish: bool = True) -> None:
    """Nobody logs in and no token counts any more. The caller holds the account's lock.

    `publish` is False for a change that came in as an event: it is not sent out again.
    """
    await account_store.set_status(tx, id, "disabled")
    if publish:
        await change_store.note(tx, id, "status")
        event = UserDeactivated(
            user_id=str(id),
            account_version=await account_store.advance(tx, id),
            deactivated_at=datetime.now(UTC),
        )
        await outbox_store.put(tx, id, event)
    await audit_store.write(tx, id, "disabled", by)
    await end_sessions(tx, id, by, publish=publish)


async def enable_account(tx: Transaction, id: UUID, by: Actor) -> None:
    """The caller holds the account's lock."""
    await account_store.set_status(tx, id, "active")
    await change_store.note(tx, id, "status")
    await tell_update(tx, id)
    await audit_store.write(tx, id, "enabled", by)
