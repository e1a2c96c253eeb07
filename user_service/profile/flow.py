"""Reading one's own account, for as long as the session lives."""

from __future__ import annotations

from dataclasses import dataclass

from user_service.errors import TokenRejected
from user_service.identity import session_store
from user_service.identity.access_tokens import Claims
from user_service.identity.account_store import Account
from user_service.storage.postgres import Database


@dataclass(frozen=True, slots=True)
class Profile:
    db: Database

    async def read(self, claims: Claims) -> Account:
        """The account behind a verified token; raises TokenRejected when its session has ended."""
        async with self.db.connection() as connection:
            account = await session_store.account_of_live(
                connection, claims.session, claims.subject
            )
        if account is None:
            raise TokenRejected
        return account
