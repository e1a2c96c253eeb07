"""An account gets another name or username."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from shared.events import UserUpdated
from user_service.audit import audit_store
from user_service.audit.audit_store import Actor
from user_service.errors import UsernamesSpent, UsernameTaken
from user_service.identity import account_store, change_store, username_store
from user_service.identity.account_store import Account, Credentials
from user_service.outbox import outbox_store
from user_service.storage.postgres import Transaction

MOST_USERNAMES = 10


class Edit(Struct, frozen=True):
    """What is UNSET stays as it is; a username of None is given up."""

    name: str | UnsetType = UNSET
    username: str | UnsetType | None = UNSET

    def of(self, account: Account) -> Account:
        """What the account becomes by it."""
        return replace(
            account,
            name=account.name if self.name is UNSET else self.name,
            username=account.username if self.username is UNSET else self.username,
        )


async def edit_account(tx: Transaction, account: Account, edit: Edit, by: Actor) -> Account:
    """The account as it is now; raises UsernameTaken, UsernamesSpent. Under the account's lock.

    An edit that changes nothing is no event.
    """
    edited = edit.of(account)
    if edited == account:
        return account
    if edited.username != account.username:
        await _take_username(tx, account.id, edited.username)
    if edited.name != account.name:
        await account_store.rename(tx, account.id, edited.name)
        await change_store.note(tx, account.id, "name")
    await audit_store.write(tx, account.id, "profile_updated", by)
    current = await tell_update(tx, account.id)
    return current.account if current else edited


async def _take_username(tx: Transaction, id: UUID, username: str | None) -> None:
    if username is None:
        await username_store.give_up(tx, id)
        return
    # A claim is for ever, so one person must not gather them.
    if await username_store.count_others(tx, id, username) >= MOST_USERNAMES:
        raise UsernamesSpent
    if not await username_store.claim(tx, id, username):
        raise UsernameTaken


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
