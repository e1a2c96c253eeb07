"""One's own account: read it, edit it, delete it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from msgspec import UNSET

from user_service.accounts.deleted import delete_account, thin_out
from user_service.accounts.edited import Edit, edit_account
from user_service.accounts.reauthentication import Reauthentication
from user_service.accounts.traces import Traces
from user_service.audit.audit_store import Actor
from user_service.errors import InvalidFields, Unavailable
from user_service.identity.access_tokens import Claims
from user_service.identity.account_store import Account
from user_service.identity.callers import lock_behind, reader_behind
from user_service.identity.clerk_tokens import ClerkClaims
from user_service.identity.names import canonical_username, display_name
from user_service.storage.postgres import Database
from user_service.storage.rate_limits import Client, RateLimits


@dataclass(frozen=True, slots=True)
class Profile:
    db: Database
    limits: RateLimits
    reauthentication: Reauthentication
    traces: Traces

    async def read(self, claims: Claims | ClerkClaims) -> Account:
        """The account behind a verified token; raises TokenRejected when its session has ended, or
        no account stands for Clerk's user."""
        async with self.db.connection() as connection:
            return await reader_behind(connection, claims)

    async def edit(self, claims: Claims, wish: Edit, client: Client) -> Account:
        """The account with another name or username.

        Raises InvalidFields, TokenRejected, UsernamesSpent, UsernameTaken, TooManyRequests.
        """
        with suppress(Unavailable):  # a profile needs no Redis
            await self.limits.spend("edit", client)
        edit = _judged(wish)
        async with self.db.transaction() as tx:
            found = await lock_behind(tx, claims)
            return await edit_account(tx, found.account, edit, Actor.oneself(client.address))

    async def delete(self, claims: Claims, password: str, client: Client) -> None:
        """The account, its sessions and whatever says who its owner was.

        Raises TokenRejected, WrongPassword, TooManyRequests, Unavailable.
        """
        proven = await self.reauthentication.require(claims, password, client)
        await thin_out(self.db, claims.subject)
        async with self.db.transaction() as tx:
            found = await self.reauthentication.lock_unchanged(tx, claims, proven)
            by = Actor.oneself(client.address)
            address_change = await delete_account(tx, found.account, by)
        await self.traces.erase(found.account.email, address_change)


def _judged(wish: Edit) -> Edit:
    if wish.name is UNSET and wish.username is UNSET:
        raise InvalidFields(name="Send name, username or both.")
    name, username = wish.name, wish.username
    return Edit(
        name if name is UNSET else display_name(name),
        canonical_username(username) if isinstance(username, str) else username,
    )
