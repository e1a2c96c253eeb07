"""A dry run: what an import would do, without a row of it in Postgres."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from uuid import UUID

from user_service.identity.clerk_store import ClerkUser
from user_service.imports.candidates import Candidate
from user_service.imports.deciding import Occupant, Situation, Verdict, decide
from user_service.imports.looking import look
from user_service.storage.postgres import Database


class Foreseen:
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

    def add_to(self, there: Situation, batch: Sequence[Candidate]) -> None:
        """What the batches before would have made of it."""
        for candidate in batch:
            if account_id := self._find("address", candidate.email):
                there.occupants[candidate.email] = Occupant(UUID(account_id))
            id = candidate.clerk_id
            if id and (account_id := self._find("clerk", id)):
                there.clerk_users[id] = ClerkUser(id=id, account_id=UUID(account_id))
            if candidate.username and self._find("username", candidate.username) is not None:
                there.usernames.add(candidate.username)
        for occupant in there.occupants.values():
            occupant.clerk_id = self._find("account", str(occupant.account_id)) or occupant.clerk_id

    def keep(self, there: Situation) -> None:
        for newcomer in there.newcomers:
            self._add("address", newcomer.email, str(newcomer.id))
            if newcomer.username is not None:
                self._add("username", newcomer.username, "")
        for link in there.links:
            self._add("clerk", link.clerk_id, str(link.account_id))
            self._add("account", str(link.account_id), link.clerk_id)

    def _find(self, kind: str, key: str) -> str | None:
        query = "SELECT value FROM made WHERE kind = ? AND key = ?"
        with closing(self._made.execute(query, (kind, key))) as found:
            row = found.fetchone()
        return row[0] if row else None

    def _add(self, kind: str, key: str, value: str) -> None:
        self._made.execute("INSERT INTO made VALUES (?, ?, ?)", (kind, key, value))


@dataclass(frozen=True, slots=True)
class Rehearsal:
    db: Database
    foreseen: Foreseen = field(default_factory=Foreseen)

    async def settle(self, batch: Sequence[Candidate]) -> list[Verdict]:
        async with self.db.connection() as connection:
            there = await look(connection, batch)
        self.foreseen.add_to(there, batch)
        verdicts = [decide(candidate, there) for candidate in batch]
        self.foreseen.keep(there)
        return verdicts
