"""An account's owner opens a session."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from shared.events import UserLoggedIn
from shared.topics import USER_LOGGED_IN
from user_service.identity import account_store, session_store
from user_service.identity.account_store import RenewedHash
from user_service.identity.session_store import Device
from user_service.outbox import outbox_store
from user_service.storage.postgres import Transaction


async def open_session(
    tx: Transaction,
    account_id: UUID,
    *,
    lifetime: timedelta,
    device: Device,
    renewed: RenewedHash | None,
) -> UUID | None:
    """The new session's id, or None when the account was disabled or deleted meanwhile."""
    version = await account_store.advance(tx, account_id, renewed=renewed)
    if version is None:
        return None
    session_id = await session_store.add(tx, account_id, lifetime, device)
    event = UserLoggedIn(
        user_id=str(account_id),
        session_id=str(session_id),
        account_version=version,
        logged_in_at=datetime.now(UTC),
    )
    await outbox_store.put(tx, USER_LOGGED_IN, str(account_id), event)
    return session_id
