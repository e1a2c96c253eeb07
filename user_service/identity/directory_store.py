"""The table `accounts` as administrators page through it; account_store owns it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from asyncpg import Record
from msgspec import Struct

from user_service.identity.account_store import COLUMNS, Account, Role, Status, account_of
from user_service.storage.postgres import Connection

# No character comes after this one, so no text that begins alike comes after both together.
LAST_CHARACTER = "\U0010ffff"


class Member(Struct, frozen=True):
    """An account as administrators see it."""

    account: Account
    status: Status
    role: Role
    has_password: bool


class Wanted(Struct, frozen=True, kw_only=True):
    """What is None excludes nobody. `beginning` is a canonical address's or username's, or an id.

    `created_after` includes its moment, `created_before` does not.
    """

    beginning: str | None = None
    status: Status | None = None
    role: Role | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


class Place(NamedTuple):
    """Where a page ended: everybody who comes after it is older."""

    created_at: datetime
    id: UUID


MEMBER = f"{COLUMNS}, status, role, password_hash IS NOT NULL AS has_password"
# Ranges and not LIKE: every character stands for itself, and the indexes by beginning serve.
# Postgres plans this anew for each set of arguments, because a plan for all would walk the table.
PAGE = f"""
    SELECT {MEMBER} FROM accounts
    WHERE ($1::text IS NULL OR id = $3::uuid
           OR email ~>=~ $1 AND email ~<~ $2::text OR username ~>=~ $1 AND username ~<~ $2)
      AND ($4::text IS NULL OR status = $4)
      AND ($5::text IS NULL OR role = $5)
      AND ($6::timestamptz IS NULL OR created_at >= $6)
      AND ($7::timestamptz IS NULL OR created_at < $7)
      AND ($8::timestamptz IS NULL OR (created_at, id) < ($8, $9::uuid))
    ORDER BY created_at DESC, id DESC LIMIT $10
"""


async def page(
    connection: Connection, wanted: Wanted, after: Place | None, most: int
) -> list[Member]:
    """Accounts from the newest down; `after` is where the page before ended."""
    rows = await connection.fetch(PAGE, *arguments(wanted, after, most))
    return [_member_of(row) for row in rows]


def arguments(wanted: Wanted, after: Place | None, most: int) -> tuple[object, ...]:
    """What `PAGE` takes."""
    beginning = wanted.beginning
    return (
        beginning,
        None if beginning is None else beginning + LAST_CHARACTER,
        _id_in(beginning),
        wanted.status,
        wanted.role,
        wanted.created_after,
        wanted.created_before,
        after and after.created_at,
        after and after.id,
        most,
    )


async def find(connection: Connection, id: UUID) -> Member | None:
    row = await connection.fetchrow(f"SELECT {MEMBER} FROM accounts WHERE id = $1", id)
    return _member_of(row) if row else None


def _id_in(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def _member_of(row: Record) -> Member:
    return Member(account_of(row), row["status"], row["role"], row["has_password"])
