"""An account follows a user of Clerk: it joins, is kept in step, and is let go.

Clerk decides on name, username and address of an account that was made for its user, for as long
as its owner has never set a password here. An account that had been here before is linked and stays
as it is. All of it is done under the lock of the Clerk user.
"""

from __future__ import annotations

from uuid import uuid4

from msgspec.structs import replace

from user_service.accounts.address_changed import change_address
from user_service.accounts.created import NewAccount, create_account
from user_service.accounts.deleted import delete_account
from user_service.accounts.edited import Edit, edit_account
from user_service.audit import audit_store
from user_service.audit.audit_store import Actor
from user_service.errors import InvalidFields, UsernamesSpent, UsernameTaken
from user_service.identity import account_store, clerk_link_store, clerk_store
from user_service.identity.account_store import Account, Credentials
from user_service.identity.clerk_store import ClerkUser
from user_service.identity.names import acceptable_name, canonical_username
from user_service.storage.postgres import Transaction

CLERK = Actor("service", "clerk")


async def join_account(tx: Transaction, user: ClerkUser, address: str) -> ClerkUser:
    """Link the account that has the address, or a new one.

    The user's address is contested when that account stands for another user already.
    """
    made = await _make(tx, user, address)
    found = None if made else await account_store.lock_by_address(tx, address)
    account = found.account if found else made
    if account is None or await clerk_link_store.user_of(tx, account.id) is not None:
        return replace(user, contested=user.holds_address)
    if not made and not user.holds_address:
        return replace(user, contested=False)  # somebody else may have the mailbox by now
    await audit_store.write(tx, account.id, "clerk_linked", CLERK)
    return replace(user, account_id=account.id, made_account=made is not None, contested=False)


async def keep_in_step(tx: Transaction, user: ClerkUser, found: Credentials) -> ClerkUser:
    """Bring the user's account up to date; under its lock.

    The user's address is contested when it belongs to another account.
    """
    fits = True
    if decides(user, found):
        account = await _edit(tx, found.account, user)
        if user.address is not None and user.address != account.email:
            fits = await change_address(tx, account, user.address, CLERK)
    return replace(user, contested=not fits and user.holds_address)


async def let_go(tx: Transaction, user: ClerkUser) -> None:
    """The user is gone: so is the account that was made for it, unless `decides` says
    otherwise; any other is unlinked."""
    found = await account_store.lock(tx, user.account_id) if user.account_id else None
    if found is not None and decides(user, found):
        # What Redis holds for half an hour more is dead by what Postgres knows.
        await delete_account(tx, found.account, CLERK)
    elif found is not None:
        await audit_store.write(tx, found.account.id, "clerk_unlinked", CLERK)
    await clerk_store.save(tx, ClerkUser(id=user.id, version=user.version, deleted=True))


def decides(user: ClerkUser, found: Credentials) -> bool:
    """Whether it is for Clerk to say what becomes of the account.

    Not of a disabled one, or its owner could begin anew; nor of an administrator's.
    """
    ordinary = found.active and found.role == "user"
    return user.made_account and not found.password_chosen and ordinary


async def _make(tx: Transaction, user: ClerkUser, address: str) -> Account | None:
    """A new account without a password, or None when the address has one."""
    new = NewAccount(
        id=uuid4(), name=_name(user, address), username=_username(user), password_hash=None
    )
    return await create_account(tx, new, address, CLERK)


async def _edit(tx: Transaction, account: Account, user: ClerkUser) -> Account:
    name = _name(user, user.address or account.email)
    try:
        return await edit_account(tx, account, Edit(name, _username(user)), CLERK)
    except (UsernameTaken, UsernamesSpent):
        return await edit_account(tx, account, Edit(name), CLERK)


def _name(user: ClerkUser, address: str) -> str:
    local_part, _, _ = address.partition("@")
    return acceptable_name(user.name or "", user.username or "", local_part)


def _username(user: ClerkUser) -> str | None:
    try:
        return None if user.username is None else canonical_username(user.username)
    except InvalidFields:
        return None
