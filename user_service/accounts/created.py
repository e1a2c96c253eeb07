"""An account comes into being."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from shared.events import UserRegistered
from user_service.audit import audit_store
from user_service.audit.audit_store import Actor
from user_service.errors import CodeExpired
from user_service.identity import account_store, deleted_account_store
from user_service.identity.account_store import Account
from user_service.outbox import outbox_store
from user_service.storage.postgres import Transaction


class NewAccount(Struct, frozen=True, kw_only=True):
    """What a registration submitted, or Clerk told; the id is chosen before anything is committed.

    Without a hash no password is right until recovery sets one.
    """

    id: UUID
    name: str
    username: str | None
    password_hash: str | None


async def create_account(
    tx: Transaction, new: NewAccount, address: str, by: Actor
) -> Account | None:
    """The committed account and its event; the same account again when this id has it already.

    None means that the address belongs to another account. Raises CodeExpired when this one was
    deleted meanwhile.
    """
    account = await account_store.insert(
        tx,
        id=new.id,
        email=address,
        username=new.username,
        name=new.name,
        password_hash=new.password_hash,
    )
    # Asked last, because the insert waits for a deletion under way: a repeated verification must
    # not bring the account back.
    if await deleted_account_store.includes(tx, new.id):
        raise CodeExpired
    if account is None:
        return await account_store.find(tx, new.id)
    await outbox_store.put(tx, account.id, registration_of(account))
    await audit_store.write(tx, account.id, "registered", by)
    return account


def registration_of(account: Account) -> UserRegistered:
    """The first event of an account, however it came into being."""
    return UserRegistered(
        user_id=str(account.id),
        email=account.email,
        name=account.name,
        username=account.username,
        account_version=account.version,
        registered_at=account.created_at,
    )
