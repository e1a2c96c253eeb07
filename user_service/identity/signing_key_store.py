"""The table `signing_keys`."""

from __future__ import annotations

from msgspec import Struct

from user_service.storage.postgres import Connection, Transaction


class StoredKey(Struct, frozen=True):
    kid: str
    public_key: str
    sealed_private: bytes
    retired: bool


async def all_newest_first(connection: Connection) -> list[StoredKey]:
    rows = await connection.fetch(
        """
        SELECT kid, public_key, sealed_private, retired_at IS NOT NULL AS retired
        FROM signing_keys ORDER BY created_at DESC, kid
        """
    )
    return [StoredKey(*row) for row in rows]


async def add(tx: Transaction, *, kid: str, public_key: str, sealed: bytes) -> None:
    await tx.execute(
        """
        INSERT INTO signing_keys (kid, algorithm, public_key, sealed_private)
        VALUES ($1, 'ES256', $2, $3)
        """,
        kid,
        public_key,
        sealed,
    )


async def lock(tx: Transaction) -> None:
    """Let one process at a time decide whether a key is missing."""
    await tx.execute("LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE")
