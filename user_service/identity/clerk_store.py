"""The table `clerk_users`: users of Clerk as it described them last, and their locks.

Which accounts stand for them is looked after by clerk_link_store.

A user that Clerk has deleted, or whose account was deleted here, stays known for good: its row
says nothing of a person any more, and keeps a late message from bringing the account back.
"""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from asyncpg import Record
from msgspec import Struct
from msgspec.structs import replace

from user_service.storage.postgres import Connection, Transaction

# What Clerk calls a user; in Kafka, in logs and in our paths it is nothing else.
USER_ID = r"^[A-Za-z0-9_-]{1,128}\Z"


class Version(Struct, frozen=True, order=True):
    """When a user changed, and when that was told, by Clerk's clock."""

    updated_at: datetime
    sent_at: datetime


# No webhook is older, for Clerk counts from here. The least datetime would not do: asyncpg reads it
# back without a zone.
NEVER = Version(datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC))


class ClerkUser(Struct, frozen=True, kw_only=True):
    """`account_id` is None while no account stands for the user, `made_account` whether that one
    was made for it.

    `address` is canonical, and None until Clerk has verified one.
    """

    id: str
    account_id: UUID | None = None
    made_account: bool = False
    name: str | None = None
    username: str | None = None
    version: Version = NEVER
    address: str | None = None
    address_version: Version = NEVER
    contested: bool = False
    deleted: bool = False

    @property
    def holds_address(self) -> bool:
        """Whether its newest word still names the address."""
        return self.address is not None and self.address_version == self.version

    def after(
        self, version: Version, name: str, username: str | None, address: str | None
    ) -> ClerkUser:
        """The same with what is newer in a message; in whatever order they come it ends alike."""
        user = self
        if version >= self.version:
            user = replace(user, name=name, username=username, version=version)
        if address is not None and version >= self.address_version:
            user = replace(user, address=address, address_version=version)
        return user


async def lock(tx: Transaction, id: str) -> ClerkUser | None:
    """What is known of the user; nobody else learns of it until the transaction ends.

    Not the row, which may not be there yet, but the id is locked: who has it goes on to lock
    accounts, while who deletes an account goes from there to the row.
    """
    await lock_each(tx, [id])
    row = await tx.fetchrow("SELECT * FROM clerk_users WHERE id = $1", id)
    return _user_of(row) if row else None


async def lock_each(tx: Transaction, ids: list[str]) -> None:
    """The same of many, such that two who lock the same ones never wait for each other."""
    await tx.execute(
        """
        SELECT pg_advisory_xact_lock(key) FROM (
            SELECT DISTINCT hashtextextended(id, 0) AS key FROM unnest($1::text[]) AS id ORDER BY 1
        ) AS keys
        """,
        ids,
    )


async def known(connection: Connection, ids: list[str], account_ids: list[UUID]) -> list[ClerkUser]:
    """These users, as far as they are known, and those that these accounts stand for."""
    rows = await connection.fetch(
        """
        SELECT * FROM clerk_users WHERE id = ANY($1)
        UNION
        SELECT * FROM clerk_users WHERE account_id = ANY($2)
        """,
        ids,
        account_ids,
    )
    return [_user_of(row) for row in rows]


async def save(tx: Transaction, user: ClerkUser) -> None:
    """Keep what is known of the user; under its lock."""
    reached = user.address is not None
    await tx.execute(
        """
        INSERT INTO clerk_users (
            id, account_id, made_account, name, username, updated_at, sent_at,
            email, email_updated_at, email_sent_at, contested, deleted
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        ON CONFLICT (id) DO UPDATE SET
            account_id = excluded.account_id,
            made_account = excluded.made_account,
            name = excluded.name,
            username = excluded.username,
            updated_at = excluded.updated_at,
            sent_at = excluded.sent_at,
            email = excluded.email,
            email_updated_at = excluded.email_updated_at,
            email_sent_at = excluded.email_sent_at,
            contested = excluded.contested,
            deleted = excluded.deleted
        """,
        user.id,
        user.account_id,
        user.made_account,
        user.name,
        user.username,
        user.version.updated_at,
        user.version.sent_at,
        user.address,
        user.address_version.updated_at if reached else None,
        user.address_version.sent_at if reached else None,
        user.contested,
        user.deleted,
    )


async def contested(connection: Connection) -> list[str]:
    """The users whose address belongs to another account, as far as was seen last."""
    rows = await connection.fetch("SELECT id FROM clerk_users WHERE contested ORDER BY updated_at")
    return [row["id"] for row in rows]


async def forget_account(tx: Transaction, account_id: UUID) -> None:
    """The account is deleted here: Clerk's next word on its user makes no other."""
    await tx.execute(
        """
        UPDATE clerk_users SET
            deleted = true, account_id = NULL, contested = false,
            name = NULL, username = NULL,
            email = NULL, email_updated_at = NULL, email_sent_at = NULL
        WHERE account_id = $1
        """,
        account_id,
    )


def _user_of(row: Record) -> ClerkUser:
    reached = row["email"] is not None
    return ClerkUser(
        id=row["id"],
        account_id=row["account_id"],
        made_account=row["made_account"],
        name=row["name"],
        username=row["username"],
        version=Version(row["updated_at"], row["sent_at"]),
        address=row["email"],
        address_version=Version(row["email_updated_at"], row["email_sent_at"])
        if reached
        else NEVER,
        contested=row["contested"],
        deleted=row["deleted"],
    )
