"""What Postgres knows of a batch, before anything of it is decided."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from user_service.identity import account_batch_store, clerk_store, username_store
from user_service.imports.candidates import Candidate
from user_service.imports.deciding import Occupant, Situation
from user_service.storage.postgres import Connection, Transaction


async def look(connection: Connection, batch: Sequence[Candidate]) -> Situation:
    """As it is at this moment."""
    occupants = await account_batch_store.ids_by_address(connection, _addresses(batch))
    return await _situation(connection, batch, occupants)


async def lock(tx: Transaction, batch: Sequence[Candidate]) -> Situation:
    """As it stays until the transaction ends, but for accounts that others make meanwhile.

    The locks are taken in the order of everybody else, and several of a kind in one order of their
    own: users of Clerk by their ids, then accounts that are there; and by whoever writes then, new
    addresses before usernames. So no import and no request wait for each other in a circle.
    """
    clerk_ids = _clerk_ids(batch)
    if not clerk_ids:
        return await look(tx, batch)
    await clerk_store.lock_each(tx, clerk_ids)
    occupants = await account_batch_store.lock_by_address(tx, _addresses(batch))
    return await _situation(tx, batch, occupants)


async def _situation(
    connection: Connection, batch: Sequence[Candidate], occupants: dict[str, UUID]
) -> Situation:
    clerk_ids = _clerk_ids(batch)
    users = (
        await clerk_store.known(connection, clerk_ids, list(occupants.values()))
        if clerk_ids
        else []
    )
    linked = {user.account_id: user.id for user in users}
    usernames = [candidate.username for candidate in batch if candidate.username is not None]
    return Situation(
        occupants={email: Occupant(id, linked.get(id)) for email, id in occupants.items()},
        clerk_users={user.id: user for user in users},
        usernames=await username_store.claimed(connection, usernames) if usernames else set(),
    )


def _addresses(batch: Sequence[Candidate]) -> list[str]:
    return [candidate.email for candidate in batch]


def _clerk_ids(batch: Sequence[Candidate]) -> list[str]:
    return [candidate.clerk_id for candidate in batch if candidate.clerk_id is not None]
