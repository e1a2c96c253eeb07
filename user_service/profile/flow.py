"""Reading one's own account, for as long as the session lives."""

from __future__ import annotations

from dataclasses import dataclass

from user_service.identity.access_tokens import Claims
from user_service.identity.account_store import Account
from user_service.identity.callers import account_behind
from user_service.storage.postgres import Database


@dataclass(frozen=True, slots=True)
class Profile:
    db: Database

    async def read(self, claims: Claims) -> Account:
        """The account behind a verified token; raises TokenRejected when its session has ended."""
        async with self.db.connection() as connection:
            return await account_behind(connection, claims)
