"""What Postgres knows of a batch, before anything of it is decided."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct, field

from user_service.identity import account_batch_store, clerk_store, username_store
from user_service.identity.account_batch_store import ImportedAccount
from user_service.identity.clerk_link_store import Link
from user_service.identity.clerk_store import ClerkUser
from user_service.imports.candidates import Candidate
from user_service.storage.postgres import Connection, Transaction


class AddressHolder(Struct):
    """Who has an address, and the Clerk user that the account stands for."""

    account_id: UUID
    clerk_id: str | None = None


class Existing(Struct):
    """What there is by addresses, ids of Clerk users and usernames; and what is to be added.

    `passwordless` are accounts that were made for these users and had no password ever.
    """

    holders: dict[str, AddressHolder]
    clerk_users: dict[str, ClerkUser]
    usernames: set[str]
    passwordless: set[UUID] = field(default_factory=set)
    new_accounts: list[ImportedAccount] = field(default_factory=list)
    new_links: list[Link] = field(default_factory=list)
    new_hashes: dict[UUID, str] = field(default_factory=dict)


async def look(connection: Connection, batch: Sequence[Candidate]) -> Existing:
    """As it is at this moment."""
    holders = await account_batch_store.ids_by_address(connection, _addresses(batch))
    return await _existing(connection, batch, holders)


async def lock(tx: Transaction, batch: Sequence[Candidate]) -> Existing:
    """As it stays until the transaction ends, but for accounts that others make meanwhile.

    The locks are taken in the order of everybody else, and several of a kind in one order of their
    own: users of Clerk by their ids, then accounts that are there; and by whoever writes then, new
    addresses before usernames. So no import and no request wait for each other in a circle.
    """
    clerk_ids = _clerk_ids(batch)
    if not clerk_ids:
        return await look(tx, batch)
    await clerk_store.lock_each(tx, clerk_ids)
    holders = await account_batch_store.lock_by_address(tx, _addresses(batch))
    return await _existing(tx, batch, holders)


async def _existing(
    connection: Connection, batch: Sequence[Candidate], holders: dict[str, UUID]
) -> Existing:
    clerk_ids = _clerk_ids(batch)
    users = (
        await clerk_store.known(connection, clerk_ids, list(holders.values())) if clerk_ids else []
    )
    linked = {user.account_id: user.id for user in users}
    made = [user.account_id for user in users if user.account_id and user.made_account]
    usernames = [candidate.username for candidate in batch if candidate.username is not None]
    return Existing(
        holders={email: AddressHolder(id, linked.get(id)) for email, id in holders.items()},
        clerk_users={user.id: user for user in users},
        usernames=await username_store.claimed(connection, usernames) if usernames else set(),
        passwordless=await account_batch_store.passwordless(connection, made) if made else set(),
    )


def _addresses(batch: Sequence[Candidate]) -> list[str]:
    return [candidate.email for candidate in batch]


def _clerk_ids(batch: Sequence[Candidate]) -> list[str]:
    return [candidate.clerk_id for candidate in batch if candidate.clerk_id is not None]
