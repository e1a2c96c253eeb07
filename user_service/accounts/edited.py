"""An account gets another name or username."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from shared.events import UserUpdated
from user_service.audit import audit_store
from user_service.audit.audit_store import Actor
from user_service.errors import UsernameTaken
from user_service.identity import account_store
from user_service.identity.account_store import Credentials
from user_service.outbox import outbox_store
from user_service.storage.postgres import Transaction


class Edit(Struct, frozen=True):
    """What is UNSET stays as it is; a username of None is given up."""

    name: str | UnsetType = UNSET
    username: str | UnsetType | None = UNSET


async def edit_account(tx: Transaction, id: UUID, edit: Edit, by: Actor) -> Credentials | None:
    """The account as it is now; raises UsernameTaken. The caller holds the account's lock."""
    if edit.name is not UNSET:
        await account_store.rename(tx, id, edit.name)
    if edit.username is not UNSET and not await account_store.set_username(tx, id, edit.username):
        raise UsernameTaken
    await audit_store.write(tx, id, "profile_updated", by)
    return await tell_update(tx, id)


async def take_over_name(tx: Transaction, id: UUID, name: str, by: Actor) -> None:
    """From another service's event: what came in is not sent out again. Under the lock."""
    await account_store.rename(tx, id, name)
    await audit_store.write(tx, id, "profile_updated", by)


async def tell_update(tx: Transaction, id: UUID) -> Credentials | None:
    """Put `user_updated` with what is true now into the outbox; under the account's lock."""
    version = await account_store.advance(tx, id)
    current = await account_store.lock(tx, id)
    if current is not None:
        event = UserUpdated(
            user_id=str(id),
            name=current.account.name,
            username=current.account.username,
            status=current.status,
            account_version=version,
            updated_at=datetime.now(UTC),
        )
        await outbox_store.put(tx, id, event)
    return current
