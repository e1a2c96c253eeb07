"""Applying what another service says has happened to a user."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.dead_letters.writing import DeadEnd
from user_service.accounts.disabled import disable_account
from user_service.accounts.edited import take_over_name
from user_service.audit.audit_store import Actor
from user_service.identity import account_store, change_store, deleted_account_store
from user_service.identity.account_store import Account, Credentials
from user_service.lifecycle import applied_store
from user_service.lifecycle.foreign_events import ForeignEvent
from user_service.storage.postgres import Database, Transaction


class Outcome(StrEnum):
    """What became of an event."""

    APPLIED = "applied"
    REPEATED = "repeated"  # the same id from the same source
    OUTDATED = "outdated"  # a later change of that kind is known already
    NOTHING = "nothing"  # it says nothing that may be taken over
    DELETED = "deleted"  # the account is gone


@dataclass(frozen=True, slots=True)
class Lifecycle:
    db: Database

    async def apply(self, event: ForeignEvent) -> Outcome:
        """Let the event have its effect once; raises DeadEnd for a user that never was, and
        Unavailable."""
        async with self.db.transaction() as tx:
            found = await account_store.lock(tx, event.user_id)
            if found is None:
                return await _of_nobody(tx, event)
            if not await applied_store.add(tx, event.source, event.id):
                return Outcome.REPEATED
            return await _change(tx, found, event)


async def _of_nobody(tx: Transaction, event: ForeignEvent) -> Outcome:
    if await deleted_account_store.includes(tx, event.user_id):
        return Outcome.DELETED
    raise DeadEnd("unknown user")


async def _change(tx: Transaction, found: Credentials, event: ForeignEvent) -> Outcome:
    by = Actor("service", event.source)
    if event.deactivates:
        return await _deactivate(tx, found, event, by)
    if event.name is not None:
        return await _rename(tx, found.account, event.name, event, by)
    return Outcome.NOTHING


async def _deactivate(
    tx: Transaction, found: Credentials, event: ForeignEvent, by: Actor
) -> Outcome:
    if not await change_store.note(tx, found.account.id, "status", event.at):
        return Outcome.OUTDATED
    if found.active:
        await disable_account(tx, found.account.id, by, publish=False)
    return Outcome.APPLIED


async def _rename(
    tx: Transaction, account: Account, name: str, event: ForeignEvent, by: Actor
) -> Outcome:
    if not await change_store.note(tx, account.id, "name", event.at):
        return Outcome.OUTDATED
    if name != account.name:
        await take_over_name(tx, account.id, name, by)
    return Outcome.APPLIED
