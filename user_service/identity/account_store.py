"""The tables `accounts`, `claimed_usernames` and `deleted_accounts`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from asyncpg import Record, UniqueViolationError
from msgspec import Struct

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


class Credentials(Struct, frozen=True):
    """`password_hash` is None until recovery sets one. `epoch` rises with every change of either
    the password or the address: what was begun in another one counts no more."""

    account: Account
    password_hash: str | None
    active: bool
    role: Role
    epoch: int

    @property
    def status(self) -> Status:
        return "active" if self.active else "disabled"


class Availability(Struct, frozen=True):
    address_taken: bool
    username_taken: bool


# Qualified, so that they stand in joins too.
COLUMNS = ", ".join(f"accounts.{name}" for name in Account.__struct_fields__)
CREDENTIALS = f"{COLUMNS}, password_hash, status = 'active' AS active, role, epoch"


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
    tx: Transaction, *, id: UUID, email: str, username: str | None, name: str, password_hash: str
) -> Account | None:
    """The new account, or None when the address or the id has one already.

    A username that was lost to somebody else meanwhile becomes None.
    """
    row = await tx.fetchrow(
        f"""
        INSERT INTO accounts (id, email, name, password_hash, version)
        VALUES ($1, $2, $3, $4, 1)
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
    if username is None:
        return account_of(row)
    return await _claim(tx, id, username) or account_of(row)


async def _claim(tx: Transaction, id: UUID, username: str) -> Account | None:
    row = await tx.fetchrow(
        f"""
        WITH claim AS (
            INSERT INTO claimed_usernames (username, account_id) VALUES ($2, $1)
            -- One's own earlier username may be taken up again.
            ON CONFLICT (username) DO UPDATE SET claimed_at = now()
            WHERE claimed_usernames.account_id = $1
            RETURNING username
        )
        UPDATE accounts SET username = claim.username FROM claim WHERE id = $1
        RETURNING {COLUMNS}
        """,
        id,
        username,
    )
    return account_of(row) if row else None


async def was_deleted(connection: Connection, id: UUID) -> bool:
    """Whether an account had this id, and was deleted no more than about a week ago."""
    deleted: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM deleted_accounts WHERE id = $1)", id
    )
    return deleted


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


async def advance(tx: Transaction, id: UUID, by: int = 1) -> int:
    """The version of the last of this account's next `by` events; the caller holds the lock."""
    version: int = await tx.fetchval(
        "UPDATE accounts SET version = version + $2 WHERE id = $1 RETURNING version", id, by
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


async def set_password(
    tx: Transaction, id: UUID, password_hash: str | None, *, challenge_id: str | None = None
) -> None:
    """Without a hash no password is the right one until recovery sets another.

    `challenge_id` is the recovery that sets it, if one does.
    """
    await tx.execute(
        """
        UPDATE accounts SET
            password_hash = $2,
            password_challenge = $3,
            epoch = epoch + 1,
            address_challenge = NULL
        WHERE id = $1
        """,
        id,
        password_hash,
        challenge_id,
    )


async def password_challenge(connection: Connection, id: UUID) -> str | None:
    """The recovery that set the password in use, if one did."""
    challenge: str | None = await connection.fetchval(
        "SELECT password_challenge FROM accounts WHERE id = $1", id
    )
    return challenge


async def set_address(tx: Transaction, id: UUID, address: str) -> bool:
    """Whether the address could be given to this account: another may have taken it meanwhile."""
    try:
        async with tx.transaction():
            await tx.execute(
                """
                UPDATE accounts SET email = $2, epoch = epoch + 1 WHERE id = $1
                """,
                id,
                address,
            )
    except UniqueViolationError:
        return False
    return True


async def set_address_challenge(tx: Transaction, id: UUID, challenge_id: str) -> str | None:
    """Returns the one before it, which counts no more."""
    before: str | None = await tx.fetchval(
        """
        UPDATE accounts SET address_challenge = $2 WHERE id = $1 RETURNING old.address_challenge
        """,
        id,
        challenge_id,
    )
    return before


async def address_challenge(connection: Connection, id: UUID) -> str | None:
    """The challenge whose code moves the account to another address, or has moved it last."""
    challenge: str | None = await connection.fetchval(
        "SELECT address_challenge FROM accounts WHERE id = $1", id
    )
    return challenge


async def is_admin(connection: Connection, id: UUID) -> bool:
    admin: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM accounts WHERE id = $1 AND role = 'admin')", id
    )
    return admin


async def rename(tx: Transaction, id: UUID, name: str) -> None:
    await tx.execute("UPDATE accounts SET name = $2 WHERE id = $1", id, name)


async def set_username(tx: Transaction, id: UUID, username: str | None) -> bool:
    """Whether the username could be claimed; the one held before stays claimed for ever."""
    if username is None:
        await tx.execute("UPDATE accounts SET username = NULL WHERE id = $1", id)
        return True
    return await _claim(tx, id, username) is not None


async def usernames_besides(tx: Transaction, id: UUID, username: str) -> int:
    """How many others this account has claimed in its life."""
    others: int = await tx.fetchval(
        "SELECT count(*) FROM claimed_usernames WHERE account_id = $1 AND username <> $2",
        id,
        username,
    )
    return others


async def set_status(tx: Transaction, id: UUID, status: Status) -> None:
    await tx.execute("UPDATE accounts SET status = $2 WHERE id = $1", id, status)


async def set_role(tx: Transaction, id: UUID, role: Role) -> None:
    await tx.execute("UPDATE accounts SET role = $2 WHERE id = $1", id, role)


async def delete(tx: Transaction, id: UUID) -> str | None:
    """With its sessions. Its usernames stay claimed, and its id stays known for a while.

    Returns its `address_challenge`.
    """
    challenge: str | None = await tx.fetchval(
        """
        WITH gone AS (DELETE FROM accounts WHERE id = $1 RETURNING id, address_challenge),
             noted AS (INSERT INTO deleted_accounts (id) SELECT id FROM gone)
        SELECT address_challenge FROM gone
        """,
        id,
    )
    return challenge


async def sweep_deleted(connection: Connection, most: int) -> int:
    """Forget up to `most` accounts deleted more than 8 days ago, and return how many.

    Other services' events about them come for as long as topics keep any.
    """
    done = await connection.execute(
        """
        DELETE FROM deleted_accounts WHERE id IN (
            SELECT id FROM deleted_accounts WHERE deleted_at < now() - interval '8 days' LIMIT $1
        )
        """,
        most,
    )
    return int(done.split()[-1])


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


async def hash_costs_in_use(connection: Connection) -> list[tuple[str, int]]:
    """Argon2 parameters of about 10,000 sampled accounts, as in a PHC string, with their counts."""
    rows = await connection.fetch(
        """
        WITH size AS (
            SELECT greatest(reltuples, 1) AS accounts FROM pg_class WHERE oid = 'accounts'::regclass
        )
        SELECT split_part(password_hash, '$', 4) AS parameters, count(*) AS accounts
        FROM accounts TABLESAMPLE SYSTEM ((SELECT least(100, 1000000 / accounts) FROM size))
        WHERE password_hash IS NOT NULL
        GROUP BY 1 ORDER BY 1
        """
    )
    return [(row["parameters"], row["accounts"]) for row in rows]


def account_of(row: Record) -> Account:
    """The account in a row that was selected with `COLUMNS`."""
    return Account(**{name: row[name] for name in Account.__struct_fields__})


def _credentials_of(row: Record | None) -> Credentials | None:
    if row is None:
        return None
    return Credentials(
        account_of(row), row["password_hash"], row["active"], row["role"], row["epoch"]
    )
