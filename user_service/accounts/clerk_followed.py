"""An account follows a user of Clerk: it joins, is kept in step, and is let go.

Clerk decides on name, username and address of an account that was made for its user, for as long
as that has no password of its own. An account that had been here before is linked and stays as it
is.
"""

from __future__ import annotations

from uuid import uuid4

from msgspec import Struct

from user_service.accounts.address_changed import change_address
from user_service.accounts.created import NewAccount, create_account
from user_service.accounts.deleted import delete_account
from user_service.accounts.edited import Edit, edit_account
from user_service.audit import audit_store
from user_service.audit.audit_store import Actor
from user_service.errors import InvalidFields, UsernamesSpent, UsernameTaken
from user_service.identity import account_store, clerk_store
from user_service.identity.account_store import Account, Credentials
from user_service.identity.clerk_store import ClerkUser, Version
from user_service.identity.names import acceptable_name, canonical_username
from user_service.storage.postgres import Transaction

CLERK = Actor("service", "clerk")


class ClerkProfile(Struct, frozen=True):
    """As Clerk spells it; but `address` is canonical, and None while Clerk has not verified it."""

    name: str
    username: str | None
    address: str | None

    def name_at(self, address: str) -> str:
        """What an account with this address is called."""
        local_part, _, _ = address.partition("@")
        return acceptable_name(self.name, self.username or "", local_part)

    @property
    def canonical_username(self) -> str | None:
        try:
            return None if self.username is None else canonical_username(self.username)
        except InvalidFields:
            return None


async def join_account(tx: Transaction, id: str, profile: ClerkProfile, address: str) -> bool:
    """Link the account that has the address, or a new one; False when it stands for another user.

    Under the lock of the Clerk user.
    """
    made = await _make(tx, profile, address)
    found = None if made else await account_store.lock_by_address(tx, address)
    account = found.account if found else made
    if account is None or await clerk_store.user_of(tx, account.id) is not None:
        return False
    await clerk_store.link(tx, id, account.id, made_account=made is not None)
    await audit_store.write(tx, account.id, "clerk_linked", CLERK, detail=id)
    return True


async def _make(tx: Transaction, profile: ClerkProfile, address: str) -> Account | None:
    """A new account without a password, or None when the address has one."""
    new = NewAccount(
        id=uuid4(),
        name=profile.name_at(address),
        username=profile.canonical_username,
        password_hash=None,
    )
    return await create_account(tx, new, address, CLERK)


async def keep_in_step(
    tx: Transaction, found: Credentials, profile: ClerkProfile, *, made_account: bool
) -> bool:
    """False when the user's address belongs to another account. Under the account's lock."""
    if not made_account or found.password_hash is not None:
        return True
    account = await _edit(tx, found.account, profile)
    if profile.address is None or profile.address == account.email:
        return True
    return await change_address(tx, account, profile.address, CLERK)


async def _edit(tx: Transaction, account: Account, profile: ClerkProfile) -> Account:
    name = profile.name_at(profile.address or account.email)
    try:
        return await edit_account(tx, account, Edit(name, profile.canonical_username), CLERK)
    except (UsernameTaken, UsernamesSpent):
        return await edit_account(tx, account, Edit(name), CLERK)


async def let_go(tx: Transaction, id: str, known: ClerkUser | None, version: Version) -> None:
    """Clerk has deleted the user: so is the account that was made for it, unless it has a password
    of its own; any other is unlinked. Under the lock of the Clerk user.
    """
    account_id = known.account_id if known else None
    found = await account_store.lock(tx, account_id) if account_id else None
    if known is not None and found is not None:
        if known.made_account and found.password_hash is None:
            # What Redis holds for half an hour more is dead by what Postgres knows.
            await delete_account(tx, found.account, CLERK)
        else:
            await audit_store.write(tx, found.account.id, "clerk_unlinked", CLERK, detail=id)
    await clerk_store.mark_deleted(tx, id, version)
