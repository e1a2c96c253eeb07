"""Following Clerk: each user of its as it is newest, whatever order its messages come in."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import msgspec
import structlog

from shared import events
from shared.dead_letters.writing import DeadEnd
from shared.events import ClerkUserChanged
from user_service.accounts.clerk_followed import (
    ClerkProfile,
    join_account,
    keep_in_step,
    let_go,
)
from user_service.errors import InvalidFields, Unavailable
from user_service.identity import account_store, clerk_store
from user_service.identity.addresses import canonical_address
from user_service.identity.clerk_store import ClerkUser, Version
from user_service.storage.postgres import Database, Transaction

SETTLE_SECONDS = 30

log = structlog.get_logger()


class Outcome(StrEnum):
    """What became of an event."""

    APPLIED = "applied"
    OUTDATED = "outdated"  # something newer is known of the user
    DELETED = "deleted"  # the user or its account is gone for good
    UNVERIFIED = "unverified"  # no account stands for it before Clerk has verified its address
    WAITS = "waits"  # for an address that somebody else has here


@dataclass(frozen=True, slots=True)
class Following:
    db: Database

    async def apply(self, event: ClerkUserChanged) -> Outcome:
        """Bring the account in step; raises DeadEnd for what cannot be decided, and Unavailable.

        What waits for somebody else's address is a dead letter too, for people to see; when the
        address comes free it is applied all the same.
        """
        outcome = await self._apply(event)
        if outcome is Outcome.WAITS:
            raise DeadEnd("address taken", "the user's address belongs to another account here")
        return outcome

    async def settle(self) -> None:
        """Try again, for ever, what waits for an address."""
        while True:
            try:
                async with self.db.connection() as connection:
                    waiting = await clerk_store.waiting(connection)
                for event in waiting:
                    await self._apply(msgspec.json.decode(event, type=ClerkUserChanged))
            except Unavailable:
                log.warning("clerk_users_left_waiting")
            await asyncio.sleep(SETTLE_SECONDS)

    async def _apply(self, event: ClerkUserChanged) -> Outcome:
        id = event.clerk_user_id
        assert id is not None  # noqa: S101 - `read_message` makes a dead letter of such a one
        version = _version(event)
        address = _address(event)
        async with self.db.transaction() as tx:
            known = await clerk_store.lock(tx, id)
            if known is not None and known.deleted:
                return Outcome.DELETED
            if event.deleted:
                await let_go(tx, id, known, version)
                return Outcome.APPLIED
            if known is not None and version < known.version:
                return Outcome.OUTDATED
            profile = ClerkProfile(event.name, event.username, address)
            outcome = await _follow(tx, id, known, version, profile)
            if outcome is Outcome.WAITS:
                await clerk_store.wait(tx, id, events.encode(event))
        return outcome


async def _follow(
    tx: Transaction, id: str, known: ClerkUser | None, version: Version, profile: ClerkProfile
) -> Outcome:
    account_id = known.account_id if known else None
    found = await account_store.lock(tx, account_id) if account_id else None
    if account_id is not None and found is None:
        return Outcome.DELETED  # here, while we waited for its lock
    await clerk_store.note(tx, id, version)
    if known is not None and found is not None:
        fits = await keep_in_step(tx, found, profile, made_account=known.made_account)
    elif profile.address is not None:
        fits = await join_account(tx, id, profile, profile.address)
    else:
        return Outcome.UNVERIFIED
    return Outcome.APPLIED if fits else Outcome.WAITS


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
