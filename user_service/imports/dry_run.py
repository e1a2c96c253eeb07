"""A dry run: what an import would do, without a row of it in Postgres."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from uuid import UUID

from user_service.identity.clerk_store import ClerkUser
from user_service.imports.candidates import Candidate
from user_service.imports.deciding import Verdict, decide
from user_service.imports.existing import AddressHolder, Existing, look
from user_service.storage.postgres import Database


class Simulated:
    """What would be there by now, in a file that vanishes with it: memory stays flat."""

    def __init__(self) -> None:
        self._made = sqlite3.connect("", isolation_level=None)
        self._made.executescript(
            """
            PRAGMA journal_mode = OFF;
            CREATE TABLE made (
                kind TEXT, key TEXT, value TEXT, PRIMARY KEY (kind, key)
            ) WITHOUT ROWID;
            """
        )

    def add_to(self, existing: Existing, batch: Sequence[Candidate]) -> None:
        """What the batches before would have made of it."""
        for candidate in batch:
            if account_id := self._find("address", candidate.email):
                existing.holders[candidate.email] = AddressHolder(UUID(account_id))
            id = candidate.clerk_id
            if id and (account_id := self._find("clerk", id)):
                existing.clerk_users[id] = ClerkUser(id=id, account_id=UUID(account_id))
                if self._find("passwordless", account_id) is not None:
                    existing.passwordless.add(UUID(account_id))
            if candidate.username and self._find("username", candidate.username) is not None:
                existing.usernames.add(candidate.username)
        existing.passwordless -= {
            id for id in existing.passwordless if self._find("password", str(id)) is not None
        }
        for holder in existing.holders.values():
            holder.clerk_id = self._find("account", str(holder.account_id)) or holder.clerk_id

    def keep(self, existing: Existing) -> None:
        for account in existing.new_accounts:
            self._put("address", account.email, str(account.id))
            if account.username is not None:
                self._put("username", account.username, "")
        for link in existing.new_links:
            self._put("clerk", link.clerk_id, str(link.account_id))
            self._put("account", str(link.account_id), link.clerk_id)
        for id in existing.passwordless:
            self._put("passwordless", str(id), "")
        for id in existing.new_hashes:
            self._put("password", str(id), "")

    def _find(self, kind: str, key: str) -> str | None:
        query = "SELECT value FROM made WHERE kind = ? AND key = ?"
        with closing(self._made.execute(query, (kind, key))) as found:
            row = found.fetchone()
        return row[0] if row else None

    def _put(self, kind: str, key: str, value: str) -> None:
        self._made.execute("INSERT OR REPLACE INTO made VALUES (?, ?, ?)", (kind, key, value))


@dataclass(frozen=True, slots=True)
class DryRun:
    db: Database
    simulated: Simulated = field(default_factory=Simulated)

    async def run(self, batch: Sequence[Candidate]) -> list[Verdict]:
        async with self.db.connection() as connection:
            existing = await look(connection, batch)
        self.simulated.add_to(existing, batch)
        verdicts = [decide(candidate, existing) for candidate in batch]
        self.simulated.keep(existing)
        return verdicts
