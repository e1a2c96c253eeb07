"""Importing a batch of rows: look → decide → write, in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import structlog
from msgspec.structs import replace

from user_service.accounts.imported import import_accounts, import_passwords, link_accounts
from user_service.audit.audit_store import Actor
from user_service.errors import Overtaken, Unavailable
from user_service.imports.candidates import USERNAME_TAKEN, Candidate
from user_service.imports.deciding import Verdict, decide
from user_service.imports.existing import Existing, lock
from user_service.imports.records import Rejected
from user_service.imports.report import Report
from user_service.storage.postgres import Database, Transaction

# An outage of some seconds does not end an import, nor does somebody who was faster.
PAUSES = (0.1, 0.5, 1.0, 2.0, 3.0, 3.0)

OVERTAKEN = "Others kept making accounts for addresses of the same rows."

log = structlog.get_logger()


class Importing(Protocol):
    """An import, or a dry run of one."""

    async def run(self, batch: Sequence[Candidate]) -> list[Verdict]:
        """What becomes of each, in their order; raises Unavailable."""


async def import_batch(
    batch: Sequence[Candidate | Rejected], importing: Importing, report: Report
) -> None:
    """Import the rows, and report each in its turn; raises Unavailable."""
    candidates = [row for row in batch if isinstance(row, Candidate)]
    verdicts = iter(await importing.run(candidates) if candidates else ())
    for row in batch:
        if isinstance(row, Rejected):
            report.reject(row)
        else:
            report.note(row, next(verdicts))


@dataclass(frozen=True, slots=True)
class Import:
    db: Database
    by: Actor

    async def run(self, batch: Sequence[Candidate]) -> list[Verdict]:
        for pause in PAUSES:
            try:
                return await self._run(batch)
            except Unavailable as error:
                log.warning("import_waits", reason=repr(error.__cause__ or error))
                await asyncio.sleep(pause)
        return await self._run(batch)

    async def _run(self, batch: Sequence[Candidate]) -> list[Verdict]:
        async with self.db.transaction() as tx:
            existing = await lock(tx, batch)
            verdicts = [decide(candidate, existing) for candidate in batch]
            nameless = await self._write(tx, existing)
        return [
            replace(verdict, losses=(*verdict.losses, USERNAME_TAKEN))
            if candidate.id in nameless
            else verdict
            for candidate, verdict in zip(batch, verdicts, strict=True)
        ]

    async def _write(self, tx: Transaction, existing: Existing) -> set[UUID]:
        """Whose username somebody else has taken since it was looked for."""
        new = existing.new_accounts
        accounts = await import_accounts(tx, new, self.by) if new else []
        if len(accounts) < len(new):
            raise Overtaken(OVERTAKEN)
        if existing.new_links:
            await link_accounts(tx, existing.new_links, self.by)
        if existing.new_hashes:
            await import_passwords(tx, existing.new_hashes, self.by)
        wished = {account.id for account in new if account.username is not None}
        return wished - {account.id for account in accounts if account.username is not None}
