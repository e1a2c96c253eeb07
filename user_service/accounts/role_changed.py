"""An account becomes an administrator's, or an ordinary one again."""

from __future__ import annotations

from user_service.audit import audit_store
from user_service.audit.audit_store import Actor
from user_service.identity import account_store
from user_service.identity.account_store import Account, Role
from user_service.storage.postgres import Transaction


async def change_role(tx: Transaction, account: Account, role: Role, by: Actor) -> None:
    """No event: what other services let somebody do is theirs to know. Under the lock."""
    await account_store.set_role(tx, account.id, role)
    await audit_store.write(tx, account.id, "role_changed", by, detail=f"now {role}")
