"""Following Clerk: each user of its as it is newest, whatever order its messages come in."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import structlog
from msgspec.structs import replace

from shared.dead_letters.writing import DeadEnd
from shared.events import ClerkUserChanged
from user_service.accounts.clerk_followed import decides, join_account, keep_in_step, let_go
from user_service.accounts.deleted import thin_out
from user_service.errors import InvalidFields, Unavailable
from user_service.identity import account_store, clerk_link_store, clerk_store
from user_service.identity.addresses import canonical_address
from user_service.identity.clerk_store import ClerkUser, Version
from user_service.storage.postgres import Database, Transaction

RETRY_SECONDS = 30

log = structlog.get_logger()


class Outcome(StrEnum):
    """What became of an event."""

    APPLIED = "applied"
    KNOWN = "known"  # nothing in it is newer than what is known
    DELETED = "deleted"  # the user or its account is gone for good
    UNVERIFIED = "unverified"  # no account stands for it before Clerk has verified an address
    CONTESTED = "contested"  # its address belongs to another account here


@dataclass(frozen=True, slots=True)
class Following:
    db: Database

    async def apply(self, event: ClerkUserChanged) -> Outcome:
        """Bring the account in step; raises DeadEnd for what cannot be decided, and Unavailable.

        A contested address is a dead letter, for people to see; once it is free the account follows
        all the same.
        """
        outcome = await self._apply(event)
        if outcome is Outcome.CONTESTED:
            raise DeadEnd(
                "address taken", "another account here has the user's address and cannot be joined"
            )
        return outcome

    async def retry_contested(self) -> None:
        """Look again, for ever, whether contested addresses are free by now."""
        while True:
            try:
                async with self.db.connection() as connection:
                    ids = await clerk_store.contested(connection)
                for id in ids:
                    await self._retry(id)
            except Unavailable:
                log.warning("clerk_users_left_contested")
            await asyncio.sleep(RETRY_SECONDS)

    async def _thin_out(self, id: str) -> None:
        """Before the account is deleted with the user."""
        async with self.db.transaction() as tx:
            user = await clerk_store.lock(tx, id)
            account_id = user.account_id if user else None
            found = await account_store.lock(tx, account_id) if account_id else None
        if user is not None and found is not None and decides(user, found):
            await thin_out(self.db, found.account.id)

    async def _apply(self, event: ClerkUserChanged) -> Outcome:
        id, version, address = event.clerk_user_id or "", _version(event), _address(event)
        if event.deleted:
            await self._thin_out(id)
        async with self.db.transaction() as tx:
            known = await clerk_store.lock(tx, id) or ClerkUser(id=id)
            if known.deleted:
                return Outcome.DELETED
            if event.deleted:
                await let_go(tx, replace(known, version=version))
                return Outcome.APPLIED
            user = known.after(version, event.name, event.username, address)
            if user == known and not known.contested:
                return Outcome.KNOWN
            return await _follow(tx, user)

    async def _retry(self, id: str) -> None:
        try:
            async with self.db.transaction() as tx:
                user = await clerk_store.lock(tx, id)
                outcome = await _follow(tx, user) if user and user.contested else None
            if outcome is Outcome.APPLIED:
                log.info("clerk_user_contested_no_more", clerk_user_id=id)
        except Exception:  # of one user, which must not hold up the others
            log.exception("clerk_user_left_contested", clerk_user_id=id)


async def _follow(tx: Transaction, user: ClerkUser) -> Outcome:
    """Let the account be what Clerk says of the user, and keep what was said."""
    if user.account_id is not None:
        found = await account_store.lock(tx, user.account_id)
        if found is None:
            return Outcome.DELETED  # here, while we waited for its lock
        if await clerk_link_store.user_of(tx, user.account_id) != user.id:
            # A recovery has unlinked it, while we waited for its lock.
            user = replace(user, account_id=None, made_account=False)
        else:
            user = await keep_in_step(tx, user, found)
    if user.account_id is None and user.address is not None:
        user = await join_account(tx, user, user.address)
    await clerk_store.save(tx, user)
    if user.contested:
        return Outcome.CONTESTED
    return Outcome.APPLIED if user.account_id else Outcome.UNVERIFIED


def _version(event: ClerkUserChanged) -> Version:
    return Version(_moment(event.updated_at), _moment(event.sent_at))


def _moment(milliseconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        raise DeadEnd("malformed", "a time that is none") from None


def _address(event: ClerkUserChanged) -> str | None:
    try:
        return None if event.email is None else canonical_address(event.email)
    except InvalidFields:
        raise DeadEnd("address not acceptable") from None
