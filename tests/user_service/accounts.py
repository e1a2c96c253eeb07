"""Accounts that came about without a registration, where only their existence matters."""

from __future__ import annotations

import uuid

from tests.corner import Corner


async def settled(corner: Corner, many: int) -> list[str]:
    """The ids of so many accounts."""
    ids = [uuid.uuid4() for _ in range(many)]
    await corner.fetch(
        """
        INSERT INTO accounts (id, email, name, version)
        SELECT id, id || '@example.org', 'Unnamed', 1 FROM unnest($1::uuid[]) AS id
        """,
        ids,
    )
    return [str(id) for id in ids]
