"""Asking every dependency, at most once a second however often somebody asks us."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from msgspec import Struct

from user_service.errors import Unavailable
from user_service.storage.breaker import Breaker
from user_service.storage.migrate import is_current
from user_service.storage.postgres import Database

FRESH_SECONDS = 1.0


class Finding(Struct, frozen=True):
    """`parts` maps each dependency to up or down."""

    ready: bool
    parts: dict[str, str]


@dataclass(slots=True)
class Checkup:
    db: Database
    breakers: tuple[Breaker, ...]
    stopping: bool = False
    _finding: Finding | None = None
    _found_at: float = 0.0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def find(self) -> Finding:
        async with self._lock:
            if self._finding is None or time.monotonic() - self._found_at > FRESH_SECONDS:
                self._finding = await self._ask()
                self._found_at = time.monotonic()
        return self._finding

    async def _ask(self) -> Finding:
        answers = await asyncio.gather(*(breaker.check() for breaker in self.breakers))
        names = (breaker.name for breaker in self.breakers)
        parts = {name: "up" if up else "down" for name, up in zip(names, answers, strict=True)}
        parts["migrations"] = "applied" if await self._migrated() else "missing"
        ready = parts["postgres"] == "up" and parts["migrations"] == "applied"
        return Finding(ready and not self.stopping, parts)

    async def _migrated(self) -> bool:
        try:
            async with self.db.connection() as tx:
                return await is_current(tx)
        except Unavailable:
            return False
