"""Sessions of an account end before their time."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from shared.events import SessionsRevoked
from user_service.audit import audit_store
from user_service.audit.audit_store import Actor
from user_service.identity import account_store, session_store
from user_service.outbox import outbox_store
from user_service.storage.postgres import Transaction


async def end_sessions(
    tx: Transaction,
    account_id: UUID,
    by: Actor,
    *,
    only: UUID | None = None,
    keep: UUID | None = None,
    publish: bool = True,
) -> int:
    """End all live sessions, or only one, or all but one, and return how many ended.

    The caller holds the account's lock.
    """
    ended = await session_store.end(tx, account_id, only=only, keep=keep)
    if not ended:
        return 0
    if publish:
        event = SessionsRevoked(
            user_id=str(account_id),
            session_ids=[str(id) for id in ended],
            account_version=await account_store.advance(tx, account_id),
            revoked_at=datetime.now(UTC),
        )
        await outbox_store.put(tx, account_id, event)
    await audit_store.write(tx, account_id, "sessions_ended", by, detail=f"{len(ended)} ended")
    return len(ended)
