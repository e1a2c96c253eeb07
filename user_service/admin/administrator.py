"""Who administers, and what they may."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from user_service.audit.audit_store import Actor
from user_service.errors import NoSuchUser, OwnAccount
from user_service.identity import account_store
from user_service.identity.access_tokens import Claims
from user_service.identity.account_store import Credentials
from user_service.identity.callers import admin_behind
from user_service.storage.postgres import Connection, Transaction
from user_service.storage.rate_limits import Client


class Administrator(Struct, frozen=True):
    """An admin by a token's claims, or the operator: whoever runs commands on the machine."""

    actor: Actor
    claims: Claims | None = None

    @classmethod
    def by_token(cls, claims: Claims, client: Client) -> Administrator:
        return cls(Actor.admin(claims.subject, client.address), claims)

    @classmethod
    def operator(cls, name: str) -> Administrator:
        """`name` is what the system calls the user who runs the command."""
        return cls(Actor("operator", name))

    async def require(self, connection: Connection) -> None:
        """Raises TokenRejected, AdminsOnly: Postgres knows who is an admin, no token does."""
        if self.claims is not None:
            await admin_behind(connection, self.claims)

    async def lock(self, tx: Transaction, id: UUID) -> Credentials:
        """The account to act upon; raises NoSuchUser, and what `require` does.

        Asked before, so that nobody else can lock accounts. Asked again under a lock of both
        accounts: of two admins who disable each other at once, one must come too late.
        """
        await self.require(tx)
        if self.claims is not None:
            await account_store.lock_in_order(tx, id, self.claims.subject)
            await self.require(tx)
        found = await account_store.lock(tx, id)
        if found is None:
            raise NoSuchUser
        return found

    async def lock_other(self, tx: Transaction, id: UUID) -> Credentials:
        """The same; raises OwnAccount when an admin would shut the own one."""
        found = await self.lock(tx, id)
        if self.claims is not None and self.claims.subject == id:
            raise OwnAccount
        return found
