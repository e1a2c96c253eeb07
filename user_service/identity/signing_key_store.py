"""The table `signing_keys`: a key signs from its own moment until the next one's.

Everything is judged by Postgres' clock, so that all processes agree on it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec import Struct

from user_service.settings import MOST_TOKEN_MINUTES
from user_service.storage.postgres import Connection, Transaction, rows_in

# As long as the longest token that any process may be set to issue, whatever this one is set to,
# and a margin for processes that have not read the table again or whose clock is wrong.
RETIREMENT = timedelta(minutes=MOST_TOKEN_MINUTES + 10)

# Its successor has signed for so long that every token of its own has expired.
EXPIRED = """
    EXISTS (SELECT FROM signing_keys AS newer WHERE newer.signs_from > key.signs_from
            AND newer.signs_from < clock_timestamp() - $1::interval)
"""


class StoredKey(Struct, frozen=True):
    """`age` counts from `signs_from`, and is negative before it."""

    kid: str
    public_key: str
    sealed_private: bytes
    created_at: datetime
    signs_from: datetime
    age: timedelta

    @property
    def upcoming(self) -> bool:
        return self.age < timedelta(0)


async def newest_first(connection: Connection) -> list[StoredKey]:
    """Every key that verifies or will sign."""
    rows = await connection.fetch(
        f"""
        SELECT kid, public_key, sealed_private, created_at, signs_from,
               clock_timestamp() - signs_from AS age
        FROM signing_keys AS key WHERE NOT {EXPIRED} ORDER BY signs_from DESC, kid
        """,
        RETIREMENT,
    )
    return [StoredKey(*row) for row in rows]


def signing_of(keys: list[StoredKey]) -> StoredKey | None:
    """The one among `newest_first` that signs; None if there is no key at all."""
    # The oldest if none is due: the clock has been set back since the first key was made.
    return next((key for key in keys if not key.upcoming), keys[-1] if keys else None)


async def add(
    tx: Transaction, *, kid: str, public_key: str, sealed: bytes, signs_in: timedelta
) -> None:
    await tx.execute(
        """
        INSERT INTO signing_keys (kid, algorithm, public_key, sealed_private, signs_from)
        VALUES ($1, 'ES256', $2, $3, clock_timestamp() + $4::interval)
        """,
        kid,
        public_key,
        sealed,
        signs_in,
    )


async def sign_now(tx: Transaction, kid: str) -> None:
    """Let an upcoming key sign from this moment."""
    await tx.execute("UPDATE signing_keys SET signs_from = clock_timestamp() WHERE kid = $1", kid)


async def delete(tx: Transaction, kid: str) -> bool:
    """Whether there was such a key."""
    done = await tx.execute("DELETE FROM signing_keys WHERE kid = $1", kid)
    return rows_in(done) == 1


async def delete_expired(tx: Transaction) -> list[str]:
    """The kids of the keys that are gone now."""
    rows = await tx.fetch(
        f"DELETE FROM signing_keys AS key WHERE {EXPIRED} RETURNING kid", RETIREMENT
    )
    return [row["kid"] for row in rows]


async def lock(tx: Transaction) -> None:
    """Let one process at a time decide which keys come and go; readers do not wait."""
    await tx.execute("LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE")
