"""The table `sessions`: one row for each login, kept for a while after its end.

A session is the family of its refresh tokens: ending it ends all of them. refresh_token_store knows
which of them is live.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct

from user_service.identity.account_store import COLUMNS, Account, account_of
from user_service.storage.postgres import Connection, Transaction, rows_in

# After its end, so that a device is known again.
KEPT = timedelta(days=30)
# Some accounts log in all day: their newest sessions tell enough of their devices.
MOST_COMPARED = 1000
LIVE = "sessions.ended_at IS NULL AND sessions.expires_at > now()"


class Device(Struct, frozen=True):
    """What a session is recognised by in its owner's list."""

    address: str
    user_agent: str


class SessionRules(Struct, frozen=True):
    """A session ends when it was not refreshed for `idle`, and in any case after `lifetime`.

    Of more than `most` of one account the oldest ends.
    """

    lifetime: timedelta
    idle: timedelta
    most: int


class Opened(Struct, frozen=True):
    """`strange` tells that no session we remember came from such a device and near such an address.

    It is not when there was none before it in an account's life.
    """

    id: UUID
    evicted: list[UUID]
    strange: bool


class Session(Struct, frozen=True):
    id: UUID
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    address: str
    user_agent: str


async def add(
    tx: Transaction, account_id: UUID, *, digest: bytes, device: Device, rules: SessionRules
) -> Opened:
    """A new session, in the place of the oldest if there are too many; under the account's lock."""
    row = await tx.fetchrow(
        f"""
        WITH evicted AS (
            UPDATE sessions SET ended_at = now() WHERE id IN (
                SELECT id FROM sessions WHERE account_id = $1 AND {LIVE}
                ORDER BY created_at DESC, id DESC OFFSET $7
            )
            RETURNING id
        ), opened AS (
            INSERT INTO sessions
                (account_id, ends_by, expires_at, address, user_agent, secret_digest)
            VALUES ($1, now() + $2, now() + least($2, $3), $4::text::inet, $5, $6)
            RETURNING id
        )
        SELECT opened.id,
            (SELECT coalesce(array_agg(evicted.id), '{{}}') FROM evicted) AS evicted,
            CASE WHEN EXISTS (SELECT FROM sessions WHERE account_id = $1)
            THEN NOT EXISTS (
                SELECT FROM (
                    SELECT device, address FROM sessions
                    WHERE account_id = $1 ORDER BY created_at DESC LIMIT {MOST_COMPARED}
                ) AS lately
                WHERE device = without_versions($5) AND address <<= network(set_masklen(
                    $4::text::inet, CASE family($4::text::inet) WHEN 4 THEN 24 ELSE 48 END))
            )
            -- Only of a young account does it mean that this is the first.
            ELSE (SELECT created_at < now() - $8::interval FROM accounts WHERE id = $1)
            END AS strange
        FROM opened
        """,
        account_id,
        rules.lifetime,
        rules.idle,
        device.address,
        device.user_agent,
        digest,
        rules.most - 1,
        KEPT,
    )
    assert row is not None  # noqa: S101 - an INSERT of one row returns one
    return Opened(*row)


async def account_of_live(
    connection: Connection, session_id: UUID, account_id: UUID
) -> Account | None:
    """The account, if it is active and this session of it has neither ended nor expired."""
    row = await connection.fetchrow(
        f"""
        SELECT {COLUMNS}
        FROM sessions JOIN accounts ON accounts.id = sessions.account_id
        WHERE sessions.id = $1 AND accounts.id = $2 AND accounts.status = 'active' AND {LIVE}
        """,
        session_id,
        account_id,
    )
    return account_of(row) if row else None


async def live(connection: Connection, account_id: UUID) -> list[Session]:
    """The account's live sessions, newest first."""
    rows = await connection.fetch(
        f"""
        SELECT id, created_at, last_used_at, expires_at, host(address), user_agent
        FROM sessions WHERE account_id = $1 AND {LIVE} ORDER BY created_at DESC, id DESC
        """,
        account_id,
    )
    return [Session(*row) for row in rows]


async def end(
    tx: Transaction, account_id: UUID, *, only: UUID | None = None, keep: UUID | None = None
) -> list[UUID]:
    """End the account's live sessions, or only one, or all but one; return those that ended."""
    rows = await tx.fetch(
        f"""
        UPDATE sessions SET ended_at = now()
        WHERE account_id = $1 AND {LIVE}
          AND ($2::uuid IS NULL OR id = $2) AND ($3::uuid IS NULL OR id <> $3)
        RETURNING id
        """,
        account_id,
        only,
        keep,
    )
    return [row["id"] for row in rows]


async def forget_ended(tx: Transaction, account_id: UUID, *, sparing: int, most: int) -> int:
    """Delete the account's sessions that are over, but for the newest `sparing`.

    Up to `most` of them; returns how many.
    """
    done = await tx.execute(
        f"""
        DELETE FROM sessions WHERE id IN (
            SELECT id FROM sessions WHERE account_id = $1 AND NOT ({LIVE})
            ORDER BY created_at DESC OFFSET $2 LIMIT $3
        )
        """,
        account_id,
        sparing,
        most,
    )
    return rows_in(done)


async def sweep(connection: Connection, most: int) -> int:
    """Delete up to `most` sessions that ended longer ago than `KEPT`, and return how many."""
    done = await connection.execute(
        """
        DELETE FROM sessions WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM sessions WHERE least(ended_at, ends_by) < now() - $2::interval
            ORDER BY least(ended_at, ends_by) LIMIT $1
        ))
        """,
        most,
        KEPT,
    )
    return rows_in(done)
