"""Settling batch after batch of candidates: look → decide → write, each in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import structlog
from msgspec.structs import replace

from user_service.accounts.imported import import_accounts, link_accounts
from user_service.audit.audit_store import Actor
from user_service.errors import Unavailable
from user_service.imports.candidates import USERNAME_TAKEN, Candidate
from user_service.imports.deciding import Situation, Verdict, decide
from user_service.imports.looking import lock
from user_service.imports.records import Rejected
from user_service.imports.report import Report
from user_service.storage.postgres import Database, Transaction

# An outage of some seconds does not end an import, nor does somebody who was faster.
PAUSES = (0.1, 0.5, 1.0, 2.0, 3.0, 3.0)

log = structlog.get_logger()


class Settling(Protocol):
    """An import, or the rehearsal of one."""

    async def settle(self, batch: Sequence[Candidate]) -> list[Verdict]:
        """What becomes of each, in their order; raises Unavailable."""


async def settle_all(
    settling: Settling,
    batches: Iterable[Sequence[Candidate | Rejected]],
    report: Report,
    tell: Callable[[], None],
) -> None:
    """Settle and report one after another, and `tell` after each; raises Unavailable."""
    for batch in batches:
        candidates = [row for row in batch if isinstance(row, Candidate)]
        verdicts = iter(await settling.settle(candidates) if candidates else ())
        for row in batch:
            if isinstance(row, Rejected):
                report.reject(row)
            else:
                report.note(row, next(verdicts))
        tell()


class Overtaken(Unavailable):
    """Somebody else has made one of the accounts since it was looked for."""


@dataclass(frozen=True, slots=True)
class Import:
    db: Database
    by: Actor

    async def settle(self, batch: Sequence[Candidate]) -> list[Verdict]:
        for pause in PAUSES:
            try:
                return await self._settle(batch)
            except Unavailable as error:
                log.warning("import_waits", reason=repr(error.__cause__ or error))
                await asyncio.sleep(pause)
        return await self._settle(batch)

    async def _settle(self, batch: Sequence[Candidate]) -> list[Verdict]:
        async with self.db.transaction() as tx:
            there = await lock(tx, batch)
            verdicts = [decide(candidate, there) for candidate in batch]
            nameless = await self._write(tx, there)
        return [
            replace(verdict, losses=(*verdict.losses, USERNAME_TAKEN))
            if candidate.id in nameless
            else verdict
            for candidate, verdict in zip(batch, verdicts, strict=True)
        ]

    async def _write(self, tx: Transaction, there: Situation) -> set[UUID]:
        """Whose username somebody else has taken since it was looked for."""
        accounts = await import_accounts(tx, there.newcomers, self.by) if there.newcomers else []
        if len(accounts) < len(there.newcomers):
            raise Overtaken("postgres")
        if there.links:
            await link_accounts(tx, there.links, self.by)
        wished = {newcomer.id for newcomer in there.newcomers if newcomer.username is not None}
        return wished - {account.id for account in accounts if account.username is not None}
