"""What a person is told by mail about their own account."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from msgspec import Struct

from shared.emails import NoticeEmail
from shared.events import SendNotice
from user_service.outbox import outbox_store
from user_service.storage.postgres import Transaction

HOUR = timedelta(hours=1)
MOST_AN_HOUR = 5


async def few_lately(tx: Transaction, user_id: UUID, kind: type[Struct]) -> bool:
    """Whether so few events of a kind were put lately that the account may be told of another.

    Whoever has the password could bury other mails under those of what never ends.
    """
    return await outbox_store.count_lately(tx, user_id, kind, HOUR) < MOST_AN_HOUR


def notice(email: NoticeEmail, user_id: UUID | None, address: str, **facts: str) -> SendNotice:
    """The request for a mail; `facts` fill its template. Without `user_id` the account is gone."""
    return SendNotice(
        email=email,
        address=address,
        occurred_at=datetime.now(UTC),
        user_id=str(user_id) if user_id else None,
        facts=facts,
    )
