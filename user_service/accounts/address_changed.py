"""An account moves to another email address."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from shared.events import EmailChanged
from shared.log import masked
from user_service.accounts.notices import notice
from user_service.audit import audit_store
from user_service.audit.audit_store import Actor
from user_service.identity import account_store, address_store
from user_service.identity.account_store import Account
from user_service.outbox import outbox_store
from user_service.storage.postgres import Transaction


async def begin_change(tx: Transaction, id: UUID, challenge_id: str, by: Actor) -> str | None:
    """Let this challenge alone move the account, and return the one before. Under the lock."""
    before = await address_store.set_challenge(tx, id, challenge_id)
    await audit_store.write(tx, id, "email_change_requested", by)
    return before


async def change_address(tx: Transaction, account: Account, address: str, by: Actor) -> bool:
    """Whether the address was still free. Both addresses are told. Under the lock."""
    if not await address_store.move(tx, account.id, address):
        return False
    event = EmailChanged(
        user_id=str(account.id),
        email=address,
        account_version=await account_store.advance(tx, account.id),
        changed_at=datetime.now(UTC),
    )
    told = [
        notice("email-changed", account.id, told_address, new_address=masked(address))
        for told_address in (account.email, address)
    ]
    await outbox_store.put(tx, account.id, event, *told)
    await audit_store.write(tx, account.id, "email_changed", by)
    return True
