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
# As many begin so that the newest page is rather found among the newest accounts.
COMMON = 1000
NEWEST = 20_000

NARROWED = "($1::text IS NULL OR status = $1) AND ($2::text IS NULL OR role = $2)"
AGED = """
    ($3::timestamptz IS NULL OR created_at >= $3) AND ($4::timestamptz IS NULL OR created_at < $4)
    AND ($5::timestamptz IS NULL OR (created_at, id) < ($5, $6::uuid))
"""
NEWEST_FIRST = "ORDER BY created_at DESC, id DESC LIMIT $7"
# Ranges and not LIKE: every character stands for itself, and the indexes by beginning serve.
BEGINNING = """
    (email ~>=~ $8 AND email ~<~ $9 OR username ~>=~ $8 AND username ~<~ $9 OR id = $10::uuid)
"""
# Postgres plans this anew for each set of arguments, because a plan for all would walk the table.
PAGE = f"SELECT {MEMBER} FROM accounts WHERE {NARROWED} AND {AGED} {NEWEST_FIRST}"
AMONG_NEWEST = f"""
    SELECT * FROM (
        SELECT {MEMBER} FROM accounts
        WHERE {AGED} ORDER BY created_at DESC, id DESC LIMIT {NEWEST}
    ) AS accounts
    WHERE {BEGINNING} AND {NARROWED} {NEWEST_FIRST}
"""
# Found before they are sorted: Postgres believes that names have nothing to do with age, and would
# look through everybody who joined since for people who came in one import years ago.
AMONG_ALL = f"""
    WITH found AS MATERIALIZED (
        SELECT {MEMBER} FROM accounts WHERE {BEGINNING} AND {NARROWED} AND {AGED}
    )
    SELECT * FROM found {NEWEST_FIRST}
"""


async def page(
    connection: Connection, wanted: Wanted, after: Place | None, most: int
) -> list[Member]:
    """Accounts from the newest down; `after` is where the page before ended."""
    if wanted.beginning is None:
        rows = await connection.fetch(PAGE, *narrowed(wanted, after, most))
    else:
        rows = await _beginning(connection, wanted, after, most)
    return [_member_of(row) for row in rows]


async def _beginning(
    connection: Connection, wanted: Wanted, after: Place | None, most: int
) -> list[Record]:
    arguments = (*narrowed(wanted, after, most), *beginning(wanted))
    if await _is_common(connection, wanted):
        rows = await connection.fetch(AMONG_NEWEST, *arguments)
        if len(rows) == most:
            return rows
    return await connection.fetch(AMONG_ALL, *arguments)


async def _is_common(connection: Connection, wanted: Wanted) -> bool:
    common: bool = await connection.fetchval(
        f"""
        SELECT count(*) >= {COMMON} FROM (
            (SELECT 1 FROM accounts WHERE email ~>=~ $1 AND email ~<~ $2 LIMIT {COMMON})
            UNION ALL
            (SELECT 1 FROM accounts WHERE username ~>=~ $1 AND username ~<~ $2 LIMIT {COMMON})
        ) AS named
        """,
        *beginning(wanted)[:2],
    )
    return common


def narrowed(wanted: Wanted, after: Place | None, most: int) -> tuple[object, ...]:
    """What every page takes."""
    return (
        wanted.status,
        wanted.role,
        wanted.created_after,
        wanted.created_before,
        after and after.created_at,
        after and after.id,
        most,
    )


def beginning(wanted: Wanted) -> tuple[object, ...]:
    """What a search takes besides."""
    text = wanted.beginning or ""
    return text, text + LAST_CHARACTER, _id_in(text)


async def find(connection: Connection, id: UUID) -> Member | None:
    row = await connection.fetchrow(f"SELECT {MEMBER} FROM accounts WHERE id = $1", id)
    return _member_of(row) if row else None


def _id_in(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _member_of(row: Record) -> Member:
    return Member(account_of(row), row["status"], row["role"], row["has_password"])
