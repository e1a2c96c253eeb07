"""What Postgres knows of a batch, before anything of it is decided."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from user_service.identity import import_store
from user_service.imports.candidates import Candidate
from user_service.imports.deciding import ClerkStanding, Occupant, Situation
from user_service.storage.postgres import Connection, Transaction


async def look(connection: Connection, batch: Sequence[Candidate]) -> Situation:
    """As it is at this moment."""
    occupants = await import_store.occupants(connection, _addresses(batch))
    return await _situation(connection, batch, occupants)


async def lock(tx: Transaction, batch: Sequence[Candidate]) -> Situation:
    """As it stays until the transaction ends, but for accounts that others make meanwhile."""
    clerk_ids = _clerk_ids(batch)
    if not clerk_ids:
        return await look(tx, batch)
    await import_store.lock_clerk_users(tx, clerk_ids)
    return await _situation(tx, batch, await import_store.lock_occupants(tx, _addresses(batch)))


async def _situation(
    connection: Connection, batch: Sequence[Candidate], occupants: dict[str, UUID]
) -> Situation:
    clerk_ids = _clerk_ids(batch)
    users = (
        await import_store.clerk_users(connection, clerk_ids, list(occupants.values()))
        if clerk_ids
        else []
    )
    linked = {user.account_id: user.clerk_id for user in users}
    usernames = [candidate.username for candidate in batch if candidate.username is not None]
    return Situation(
        occupants={email: Occupant(id, linked.get(id)) for email, id in occupants.items()},
        clerk_users={user.clerk_id: ClerkStanding(user.account_id, user.deleted) for user in users},
        usernames=await import_store.claimed(connection, usernames) if usernames else set(),
    )


def _addresses(batch: Sequence[Candidate]) -> list[str]:
    return [candidate.email for candidate in batch]


def _clerk_ids(batch: Sequence[Candidate]) -> list[str]:
    return [candidate.clerk_id for candidate in batch if candidate.clerk_id is not None]
