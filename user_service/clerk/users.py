"""Whom a user of Clerk is here: for services that know people by Clerk's ids."""

from __future__ import annotations

from dataclasses import dataclass

from user_service.audit import audit_store
from user_service.audit.audit_store import Actor
from user_service.errors import NoSuchUser
from user_service.identity import clerk_link_store
from user_service.identity.access_tokens import Claims
from user_service.identity.callers import admin_behind
from user_service.identity.clerk_link_store import LinkedAccount
from user_service.identity.clients import ClientCredentials, Clients
from user_service.storage.postgres import Connection, Database
from user_service.storage.rate_limits import Client


@dataclass(frozen=True, slots=True)
class ClerkUsers:
    """Both find the account, disabled or not; and raise NoSuchUser, Unavailable."""

    db: Database
    clients: Clients

    async def for_service(self, credentials: ClientCredentials | None, id: str) -> LinkedAccount:
        """Raises ClientRejected. Services ask with every request of theirs: no audit of that."""
        await self.clients.require(credentials)
        async with self.db.connection() as connection:
            return await _linked(connection, id)

    async def for_admin(self, claims: Claims, id: str, client: Client) -> LinkedAccount:
        """Raises TokenRejected, AdminsOnly. The audit tells which person looked."""
        async with self.db.transaction() as tx:
            await admin_behind(tx, claims)
            found = await _linked(tx, id)
            by = Actor.admin(claims.subject, client.address)
            await audit_store.write(tx, found.account.id, "inspected", by)
            return found


async def _linked(connection: Connection, id: str) -> LinkedAccount:
    found = await clerk_link_store.linked_account(connection, id)
    if found is None:
        raise NoSuchUser
    return found
