"""What a person is told by mail about their own account."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from shared.emails import NoticeEmail
from shared.events import SendNotice


def notice(email: NoticeEmail, user_id: UUID | None, address: str, **facts: str) -> SendNotice:
    """The request for a mail; `facts` fill its template. Without `user_id` the account is gone."""
    return SendNotice(
        email=email,
        address=address,
        occurred_at=datetime.now(UTC),
        user_id=str(user_id) if user_id else None,
        facts=facts,
    )
