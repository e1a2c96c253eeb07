"""Accounts come along from another system: many at once, and no mail about it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from msgspec.structs import replace

from user_service.accounts.created import registration_of
from user_service.audit import audit_store
from user_service.audit.audit_store import Actor
from user_service.identity import account_batch_store, clerk_link_store, username_store
from user_service.identity.account_batch_store import ImportedAccount
from user_service.identity.account_store import Account
from user_service.identity.clerk_link_store import Link
from user_service.outbox import outbox_store
from user_service.storage.postgres import Transaction


async def import_accounts(
    tx: Transaction, imported: Sequence[ImportedAccount], by: Actor
) -> list[Account]:
    """The new accounts: an address that has one makes none, and a taken username is left out."""
    inserted = {account.id: account for account in await account_batch_store.insert(tx, imported)}
    wishes = {
        account.id: account.username
        for account in imported
        if account.username is not None and account.id in inserted
    }
    given = await username_store.claim_each(tx, wishes) if wishes else {}
    accounts = [replace(account, username=given.get(id)) for id, account in inserted.items()]
    await outbox_store.put_each(
        tx, [(account.id, registration_of(account)) for account in accounts]
    )
    await audit_store.write_each(tx, [(account.id, "") for account in accounts], "imported", by)
    return accounts


async def import_passwords(tx: Transaction, hashes: dict[UUID, str], by: Actor) -> None:
    """For accounts that came without one; whoever has set another meanwhile keeps it."""
    given = await account_batch_store.give_hashes(tx, hashes)
    await audit_store.write_each(tx, [(id, "") for id in given], "password_imported", by)


async def link_accounts(tx: Transaction, links: Sequence[Link], by: Actor) -> None:
    """Accounts stand for users of Clerk from now on. Under the locks of both."""
    await clerk_link_store.link_each(tx, links)
    about = [(link.account_id, "") for link in links]
    await audit_store.write_each(tx, about, "clerk_linked", by)
