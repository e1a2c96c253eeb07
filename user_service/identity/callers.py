"""Who stands behind a verified token, as Postgres knows it at this moment."""

from __future__ import annotations

from user_service.errors import AdminsOnly, TokenRejected
from user_service.identity import account_store, clerk_link_store, session_store
from user_service.identity.access_tokens import Claims
from user_service.identity.account_store import Account, Credentials
from user_service.identity.clerk_tokens import ClerkClaims
from user_service.storage.postgres import Connection, Transaction


async def account_behind(connection: Connection, claims: Claims) -> Account:
    """The caller's account; raises TokenRejected when its session ended or it was disabled."""
    account = await session_store.account_of_live(connection, claims.session, claims.subject)
    if account is None:
        raise TokenRejected
    return account


async def reader_behind(connection: Connection, claims: Claims | ClerkClaims) -> Account:
    """The same of somebody who only reads, and for whom Clerk may speak as well.

    A user of Clerk is nobody here until its webhook has come.
    """
    if isinstance(claims, Claims):
        return await account_behind(connection, claims)
    linked = await clerk_link_store.linked_account(connection, claims.user_id)
    if linked is None or linked.status != "active":
        raise TokenRejected
    return linked.account


async def lock_behind(tx: Transaction, claims: Claims) -> Credentials:
    """The same, locked until the transaction ends."""
    found = await account_store.lock(tx, claims.subject)
    await account_behind(tx, claims)
    if found is None:
        raise TokenRejected
    return found


async def admin_behind(connection: Connection, claims: Claims) -> Account:
    """The same, of an administrator; raises AdminsOnly for anybody else."""
    account = await account_behind(connection, claims)
    if not await account_store.is_admin(connection, account.id):
        raise AdminsOnly
    return account
