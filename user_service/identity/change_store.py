"""The table `account_changes`: when an account's name and its status were last decided on.

A change that another service reports late must not undo what happened here since.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from user_service.storage.postgres import Transaction

Kind = Literal["name", "status"]


async def note(tx: Transaction, account_id: UUID, kind: Kind, at: datetime | None = None) -> bool:
    """Whether a change made at that time, or now, is the latest; under the account's lock."""
    latest = await tx.fetchval(
        """
        INSERT INTO account_changes (account_id, kind, changed_at)
        VALUES ($1, $2, coalesce($3, now()))
        ON CONFLICT (account_id, kind) DO UPDATE SET changed_at = excluded.changed_at
        WHERE account_changes.changed_at <= excluded.changed_at
        RETURNING true
        """,
        account_id,
        kind,
        at,
    )
    return latest is not None
