"""Administration: search, inspect, disable, enable, force a reset, end sessions, delete.

What changes nothing is no event and no entry in the audit, so every verb may be repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from msgspec import Struct

from user_service.accounts.deleted import delete_account, thin_out
from user_service.accounts.disabled import disable_account, enable_account
from user_service.accounts.password_changed import withdraw_password
from user_service.accounts.role_changed import change_role
from user_service.accounts.sessions_ended import end_sessions
from user_service.accounts.traces import Traces
from user_service.admin.administrator import Administrator
from user_service.audit import audit_store
from user_service.audit.audit_store import AuditEntry
from user_service.errors import NoSuchUser
from user_service.identity import account_store, directory_store, session_store
from user_service.identity.account_store import Role
from user_service.identity.directory_store import Member, Place, Wanted
from user_service.identity.identifiers import Identifier
from user_service.identity.session_store import Session
from user_service.storage.postgres import Database, Transaction

RECENT_ENTRIES = 20


class Inspection(Struct, frozen=True):
    """Newest first: live sessions, and the last of what the audit knows."""

    member: Member
    sessions: list[Session]
    recent: list[AuditEntry]


@dataclass(frozen=True, slots=True)
class Administration:
    """Everything may raise Unavailable, and for an admin TokenRejected and AdminsOnly."""

    db: Database
    traces: Traces

    async def search(
        self, who: Administrator, wanted: Wanted, after: Place | None, most: int
    ) -> list[Member]:
        """Accounts from the newest down; `after` is where the page before ended."""
        async with self.db.transaction() as tx:
            await who.require(tx)
            return await directory_store.page(tx, wanted, after, most)

    async def find(self, who: Administrator, identifier: Identifier) -> UUID | None:
        """The id of the account that is called so."""
        async with self.db.connection() as connection:
            await who.require(connection)
            found = await account_store.credentials(connection, identifier.kind, identifier.value)
        return found.account.id if found else None

    async def inspect(self, who: Administrator, id: UUID) -> Inspection:
        """Raises NoSuchUser. It shows where somebody lives, so the audit tells who looked."""
        async with self.db.transaction() as tx:
            await who.require(tx)
            member = await _member(tx, id)
            sessions = await session_store.live(tx, id)
            recent = await audit_store.newest(tx, account_id=id, before=None, most=RECENT_ENTRIES)
            await audit_store.write(tx, id, "inspected", who.actor)
            return Inspection(member, sessions, recent)

    async def audit(
        self, who: Administrator, account_id: UUID | None, before: int | None, most: int
    ) -> list[AuditEntry]:
        """Entries about one account or about all, newest first, with ids below `before`."""
        async with self.db.transaction() as tx:
            await who.require(tx)
            entries = await audit_store.newest(tx, account_id=account_id, before=before, most=most)
            await audit_store.write(tx, account_id, "audit_read", who.actor)
            return entries

    async def disable(self, who: Administrator, id: UUID) -> Member:
        """Every token of the account is dead at once; raises NoSuchUser, OwnAccount."""
        async with self.db.transaction() as tx:
            found = await who.lock_other(tx, id)
            if found.active:
                await disable_account(tx, id, who.actor)
            return await _member(tx, id)

    async def enable(self, who: Administrator, id: UUID) -> Member:
        """Raises NoSuchUser."""
        async with self.db.transaction() as tx:
            found = await who.lock(tx, id)
            if not found.active:
                await enable_account(tx, id, who.actor)
            return await _member(tx, id)

    async def force_reset(self, who: Administrator, id: UUID) -> Member:
        """No password is right until the owner, who is told by mail, sets another.

        Raises NoSuchUser, OwnAccount.
        """
        async with self.db.transaction() as tx:
            found = await who.lock_other(tx, id)
            if found.password_hash is not None:
                await withdraw_password(tx, found.account, who.actor)
            else:
                await end_sessions(tx, id, who.actor)
            return await _member(tx, id)

    async def end_sessions(self, who: Administrator, id: UUID) -> int:
        """How many ended; raises NoSuchUser."""
        async with self.db.transaction() as tx:
            await who.lock(tx, id)
            return await end_sessions(tx, id, who.actor)

    async def delete(self, who: Administrator, id: UUID) -> None:
        """Raises NoSuchUser, OwnAccount."""
        async with self.db.transaction() as tx:
            await who.lock_other(tx, id)
        await thin_out(self.db, id)
        async with self.db.transaction() as tx:
            found = await who.lock_other(tx, id)
            address_change = await delete_account(tx, found.account, who.actor)
        await self.traces.erase(found.account.email, address_change)

    async def grant(self, who: Administrator, id: UUID) -> Member:
        """For commands only: no token makes administrators. Raises NoSuchUser."""
        return await self._set_role(who, id, "admin")

    async def revoke(self, who: Administrator, id: UUID) -> Member:
        """Raises NoSuchUser."""
        return await self._set_role(who, id, "user")

    async def _set_role(self, who: Administrator, id: UUID, role: Role) -> Member:
        async with self.db.transaction() as tx:
            found = await who.lock(tx, id)
            if found.role != role:
                await change_role(tx, found.account, role, who.actor)
            return await _member(tx, id)


async def _member(tx: Transaction, id: UUID) -> Member:
    member = await directory_store.find(tx, id)
    if member is None:
        raise NoSuchUser
    return member
