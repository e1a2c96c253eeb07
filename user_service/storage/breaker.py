"""A circuit breaker: a dependency known to be down is not waited for again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from user_service.errors import Unavailable

FAILURES_TO_OPEN = 3
PROBE_SECONDS = 1.0

log = structlog.get_logger()


class Breaker:
    """Opens after three failures in a row, then asks `ping` every second until it succeeds.

    While it is open every caller is refused at once, so that an outage costs nobody a time-out.
    """

    def __init__(self, name: str, ping: Callable[[], Awaitable[object]]) -> None:
        self.name = name
        self._ping = ping
        self._failures = 0
        self._probe: asyncio.Task[None] | None = None

    def require_closed(self) -> None:
        """Raise Unavailable while the dependency is known to be down."""
        if self._probe is not None:
            raise Unavailable(self.name)

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self, cause: BaseException) -> Unavailable:
        """Count a failure and return the refusal that its caller raises."""
        self._failures += 1
        if self._failures >= FAILURES_TO_OPEN and self._probe is None:
            log.error("dependency_down", dependency=self.name, reason=repr(cause))
            self._probe = asyncio.get_running_loop().create_task(self._until_up())
        return Unavailable(self.name)

    async def check(self) -> bool:
        """Whether the dependency answers right now."""
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await self._ping()
        except Exception:
            return False
        return True

    async def close(self) -> None:
        if self._probe is not None:
            self._probe.cancel()
            await asyncio.gather(self._probe, return_exceptions=True)

    async def _until_up(self) -> None:
        while not await self.check():  # noqa: ASYNC110 - it is others that wait, not we
            await asyncio.sleep(PROBE_SECONDS)
        self._failures = 0
        self._probe = None
        log.info("dependency_up", dependency=self.name)
