"""Somebody asks for a new password, for an address that has an account or not."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

from shared.events import PasswordResetRequested
from user_service.audit import audit_store
from user_service.audit.audit_store import Actor
from user_service.identity import account_store
from user_service.identity.account_store import Credentials
from user_service.outbox import outbox_store
from user_service.storage.postgres import Transaction


async def note_request(tx: Transaction, address: str, found: Credentials | None, by: Actor) -> None:
    """Write as much for nobody as for somebody, so that the time it takes tells nothing."""
    known = found is not None and found.active
    if found is not None and known:
        version = await account_store.advance(tx, found.account.id)
        key = found.account.id
    else:
        version = await account_store.advance_nobody(tx, address)
        key = uuid4()
    event = PasswordResetRequested(
        user_id=str(key), account_version=version, requested_at=datetime.now(UTC)
    )
    await outbox_store.put(tx, key, event, decoy=not known)
    await audit_store.write(tx, key if known else None, "password_reset_requested", by)
