"""Asking every dependency, at most once a second however often somebody asks us."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import structlog
from msgspec import Struct
from redis.exceptions import ResponseError

from user_service.errors import Unavailable
from user_service.identity.keyring import Keyring
from user_service.storage.breaker import Breaker
from user_service.storage.migrate import is_current
from user_service.storage.postgres import Database
from user_service.storage.redis import RedisStore

FRESH_SECONDS = 1.0
WELL = {"up", "applied"}

log = structlog.get_logger()


class Finding(Struct, frozen=True):
    """`parts` maps each dependency to up, down or what else is wrong with it."""

    ready: bool
    parts: dict[str, str]


@dataclass(slots=True)
class Checkup:
    db: Database
    redis: RedisStore
    kafka: Breaker
    keyring: Keyring
    _finding: Finding | None = None
    _found_at: float = 0.0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def find(self) -> Finding:
        async with self._lock:
            if self._finding is None or time.monotonic() - self._found_at > FRESH_SECONDS:
                self._finding = await self._ask()
                self._found_at = time.monotonic()
        return self._finding

    async def tell(self) -> None:
        """Log what is not well, once, at the start."""
        # Warms Kafka's client up as well: its first call costs up to a second.
        await self.kafka.check()
        finding = await self.find()
        for part, state in finding.parts.items():
            if state not in WELL:
                log.warning("part_not_well", part=part, state=state)

    async def _ask(self) -> Finding:
        postgres, redis, kafka = await asyncio.gather(
            self.db.breaker.check(), self.redis.breaker.check(), self.kafka.check()
        )
        migrated = postgres and await self._migrated()
        weakness = await self._redis_weakness() if redis else None
        parts = {
            "postgres": "up" if postgres else "down",
            "migrations": "applied" if migrated else "missing" if postgres else "unknown",
            "signing_keys": "up" if self.keyring.ready else "missing",
            "redis": (weakness or "up") if redis else "down",
            "kafka": "up" if kafka else "down",
        }
        return Finding(ready=migrated and self.keyring.ready, parts=parts)

    async def _migrated(self) -> bool:
        try:
            async with self.db.connection() as connection:
                return await is_current(connection)
        except Unavailable:
            return False

    async def _redis_weakness(self) -> str | None:
        try:
            return await self.redis.weakness()
        except Unavailable:
            return "down"
        except ResponseError:
            return "persistence cannot be judged: INFO is not allowed"
