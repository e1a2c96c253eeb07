"""Refresh tokens in the table `sessions`, which session_store owns: which of them is live."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from user_service.identity.account_store import COLUMNS, Account, account_of
from user_service.identity.refresh_tokens import RefreshToken
from user_service.identity.session_store import LIVE, SessionRules
from user_service.storage.postgres import Connection, Transaction

# A refresh whose answer was lost may be asked for again for so long, by Postgres' clock.
GRACE = timedelta(seconds=10)
# However fast somebody refreshes, a session's row stays small.
MOST_REPEATABLE = 100


class LiveToken(Struct, frozen=True):
    """Of a refresh token that nobody has spent yet."""

    account: Account
    issued_at: datetime
    expires_at: datetime


class Shown(StrEnum):
    """What a refresh token that is not the live one turns out to be."""

    REPEATED = "repeated"
    REPLAYED = "replayed"
    DEAD = "dead"


async def refresh(
    connection: Connection, token: RefreshToken, rules: SessionRules
) -> Account | None:
    """Spend the live token of a live session, and return its account; None for any other token.

    A generation that is ahead of ours is one of ours too: a failover has lost its commit.
    """
    row = await connection.fetchrow(
        f"""
        UPDATE sessions SET
            generation = $2 + 1,
            refreshes = now() || array(
                SELECT at FROM unnest(refreshes[1:$6 - 1]) AS at
                WHERE at > now() - $5::interval),
            last_used_at = now(),
            expires_at = least(ends_by, now() + $4)
        FROM accounts
        WHERE sessions.id = $1 AND secret_digest = $3 AND generation <= $2 AND {LIVE}
          AND accounts.id = sessions.account_id AND accounts.status = 'active'
        RETURNING {COLUMNS}
        """,
        token.session,
        token.generation,
        token.digest,
        rules.idle,
        GRACE,
        MOST_REPEATABLE,
    )
    return account_of(row) if row else None


async def owner_of(connection: Connection, token: RefreshToken) -> UUID | None:
    """Whose session a token belongs to, live or not."""
    account_id: UUID | None = await connection.fetchval(
        "SELECT account_id FROM sessions WHERE id = $1 AND secret_digest = $2",
        token.session,
        token.digest,
    )
    return account_id


async def judge(tx: Transaction, token: RefreshToken) -> Shown:
    """What a token is that `refresh` did not take; under the lock of its account."""
    row = await tx.fetchrow(
        f"""
        SELECT {LIVE} AS live,
            refreshes[generation - $2] > now() - $3::interval AS lately
        FROM sessions WHERE id = $1 FOR UPDATE
        """,
        token.session,
        token.generation,
        GRACE,
    )
    if row is None or not row["live"]:
        return Shown.DEAD
    return Shown.REPEATED if row["lately"] else Shown.REPLAYED


async def live_behind(connection: Connection, token: RefreshToken) -> LiveToken | None:
    """The live session that this is the live token of; looking at a token does not use it."""
    row = await connection.fetchrow(
        f"""
        SELECT {COLUMNS}, last_used_at, expires_at
        FROM sessions JOIN accounts ON accounts.id = sessions.account_id
        WHERE sessions.id = $1 AND secret_digest = $2 AND generation <= $3
          AND accounts.status = 'active' AND {LIVE}
        """,
        token.session,
        token.digest,
        token.generation,
    )
    return LiveToken(account_of(row), row["last_used_at"], row["expires_at"]) if row else None
