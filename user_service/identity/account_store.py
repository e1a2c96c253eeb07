"""The table `accounts`: whole rows, their locks and their versions.

Single nouns of it are looked after by address_store, password_store and username_store; as
administrators page through it, it is read by directory_store. Many rows in one statement are the
business of account_batch_store.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from asyncpg import Record
from msgspec import Struct
from msgspec.structs import replace

from user_service.identity import deleted_account_store, username_store
from user_service.storage.postgres import Connection, Transaction

Role = Literal["user", "admin"]
Status = Literal["active", "disabled"]


class Account(Struct, frozen=True, kw_only=True):
    id: UUID
    email: str
    username: str | None
    name: str
    created_at: datetime
    version: int


class Standing(Struct, frozen=True):
    """Whom a code was asked for, and in which epoch: in another one it counts no more."""

    account_id: UUID
    epoch: int


class Credentials(Struct, frozen=True):
    """`password_hash` is None until recovery sets one; `password_chosen` is whether one was
    ever set or withdrawn here. `epoch` rises with every change of either
    the password or the address: what was begun in another one counts no more."""

    account: Account
    password_hash: str | None
    password_chosen: bool
    active: bool
    role: Role
    epoch: int

    @property
    def status(self) -> Status:
        return "active" if self.active else "disabled"

    @property
    def standing(self) -> Standing:
        return Standing(self.account.id, self.epoch)


class Availability(Struct, frozen=True):
    address_taken: bool
    username_taken: bool


# Qualified, so that they stand in joins too.
COLUMNS = ", ".join(f"accounts.{name}" for name in Account.__struct_fields__)
CREDENTIALS = f"{COLUMNS}, password_hash, password_chosen, status = 'active' AS active, role, epoch"


async def availability(connection: Connection, address: str, username: str | None) -> Availability:
    """Who has the address and the username, in one look that is the same for both answers."""
    row = await connection.fetchrow(
        """
        SELECT EXISTS (SELECT FROM accounts WHERE email = $1) AS address_taken,
               EXISTS (SELECT FROM claimed_usernames WHERE username = $2) AS username_taken
        """,
        address,
        username,
    )
    return Availability(*row) if row else Availability(False, False)


async def insert(
    tx: Transaction,
    *,
    id: UUID,
    email: str,
    username: str | None,
    name: str,
    password_hash: str | None,
) -> Account | None:
    """The new account, or None when the address or the id has one already.

    A username that was lost to somebody else meanwhile becomes None.
    """
    row = await tx.fetchrow(
        f"""
        INSERT INTO accounts (id, email, name, password_hash, password_chosen, version)
        VALUES ($1, $2, $3, $4, $4::text IS NOT NULL, 1)
        ON CONFLICT DO NOTHING
        RETURNING {COLUMNS}
        """,
        id,
        email,
        name,
        password_hash,
    )
    if row is None:
        return None
    account = account_of(row)
    claimed = username is not None and await username_store.claim(tx, id, username)
    return replace(account, username=username) if claimed else account


async def find(connection: Connection, id: UUID) -> Account | None:
    row = await connection.fetchrow(f"SELECT {COLUMNS} FROM accounts WHERE id = $1", id)
    return account_of(row) if row else None


async def credentials(
    connection: Connection, kind: Literal["email", "username", "id"], identifier: str | UUID
) -> Credentials | None:
    """What a password is checked against, by canonical address, username or id."""
    row = await connection.fetchrow(
        f"SELECT {CREDENTIALS} FROM accounts WHERE {kind} = $1", identifier
    )
    return _credentials_of(row)


async def is_admin(connection: Connection, id: UUID) -> bool:
    admin: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM accounts WHERE id = $1 AND role = 'admin')", id
    )
    return admin


async def lock(tx: Transaction, id: UUID) -> Credentials | None:
    """The account as it stands, locked until the transaction ends.

    First of all that happens to an account: its events are committed in the order of this lock.
    """
    row = await tx.fetchrow(f"SELECT {CREDENTIALS} FROM accounts WHERE id = $1 FOR UPDATE", id)
    return _credentials_of(row)


async def lock_in_order(tx: Transaction, *ids: UUID) -> None:
    """Lock several accounts, such that two who lock the same ones never wait for each other."""
    await tx.execute("SELECT FROM accounts WHERE id = ANY($1) ORDER BY id FOR UPDATE", ids)


async def lock_by_address(tx: Transaction, address: str) -> Credentials | None:
    """The same by its address, in one statement that nobody's address costs too."""
    row = await tx.fetchrow(
        f"SELECT {CREDENTIALS} FROM accounts WHERE email = $1 FOR UPDATE", address
    )
    return _credentials_of(row)


async def advance(tx: Transaction, id: UUID) -> int:
    """The version of this account's next event; the caller holds the lock."""
    version: int = await tx.fetchval(
        "UPDATE accounts SET version = version + 1 WHERE id = $1 RETURNING version", id
    )
    return version


async def advance_nobody(tx: Transaction, address: str) -> int:
    """What `advance` costs, for an address that has no account."""
    version: int = await tx.fetchval(
        """
        UPDATE nobody SET version = version + 1
        WHERE bucket = abs(hashtext($1) % 256) RETURNING version
        """,
        address,
    )
    return version


async def rename(tx: Transaction, id: UUID, name: str) -> None:
    await tx.execute("UPDATE accounts SET name = $2 WHERE id = $1", id, name)


async def set_status(tx: Transaction, id: UUID, status: Status) -> None:
    await tx.execute("UPDATE accounts SET status = $2 WHERE id = $1", id, status)


async def set_role(tx: Transaction, id: UUID, role: Role) -> None:
    await tx.execute("UPDATE accounts SET role = $2 WHERE id = $1", id, role)


async def delete(tx: Transaction, id: UUID) -> str | None:
    """With its sessions. Its usernames stay claimed, and its id stays known for a while.

    Returns its `address_challenge`.
    """
    challenge: str | None = await tx.fetchval(
        "DELETE FROM accounts WHERE id = $1 RETURNING address_challenge", id
    )
    await deleted_account_store.add(tx, id)
    return challenge


class RenewedHash(Struct, frozen=True):
    """The same password at today's cost, and the hash it was verified against."""

    old: str
    new: str


async def advance_active(
    tx: Transaction, id: UUID, *, epoch: int, renewed: RenewedHash | None = None
) -> int | None:
    """Lock and `advance` in one, or None when the account is not active or not in `epoch` any more.

    A renewed hash takes the place of the one it renews, never of one renewed meanwhile.
    """
    version: int | None = await tx.fetchval(
        """
        UPDATE accounts
        SET version = version + 1,
            password_hash = CASE password_hash WHEN $2 THEN $3 ELSE password_hash END
        WHERE id = $1 AND status = 'active' AND epoch = $4
        RETURNING version
        """,
        id,
        renewed and renewed.old,
        renewed and renewed.new,
        epoch,
    )
    return version


def account_of(row: Record) -> Account:
    """The account in a row that was selected with `COLUMNS`."""
    return Account(**{name: row[name] for name in Account.__struct_fields__})


def _credentials_of(row: Record | None) -> Credentials | None:
    if row is None:
        return None
    return Credentials(
        account_of(row),
        row["password_hash"],
        row["password_chosen"],
        row["active"],
        row["role"],
        row["epoch"],
    )
