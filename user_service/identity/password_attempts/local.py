"""The throttle in this process's memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec import Struct

from user_service.errors import TooManyRequests
from user_service.identity.password_attempts.attempts import (
    FIRST_WAIT_SECONDS,
    LONGEST_LOGIN_SECONDS,
    LONGEST_WAIT_OVER_ALL_SECONDS,
    LONGEST_WAIT_SECONDS,
    MEMORY_SECONDS,
    WAITS_FROM_FAILURE,
)
from user_service.settings.limits import Rates
from user_service.storage.rate_limits import Client


class Tally(Struct):
    """Failures of one key, or the arrival time of a budget, until `forgotten_at`."""

    count: int = 0
    blocked_until: float = 0.0
    forgotten_at: float = 0.0


@dataclass(frozen=True, slots=True)
class LocalAttempts:
    """The same figures for this process alone, for as long as Redis is away.

    Holds the latest `most` keys, by the monotonic clock.
    """

    rates: Rates
    most: int = 100_000
    clock: Callable[[], float] = time.monotonic
    _tallies: OrderedDict[tuple[str, ...], Tally] = field(default_factory=OrderedDict)

    async def admit(self, identifier: str, client: Client) -> int:
        now = self.clock()
        failures = [self._tally(key) for key, _ in self._failure_keys(identifier, client)]
        wait = max(tally.blocked_until - now for tally in failures)
        budgets = [
            (rate, self._tally(("login", str(rate.seconds), client.network))) for rate in self.rates
        ]
        for rate, budget in budgets:
            arrival = max(budget.blocked_until, now) + rate.seconds / rate.count
            wait = max(wait, arrival - rate.seconds - now)
        if wait > 0:
            raise TooManyRequests(wait)
        for rate, budget in budgets:
            budget.blocked_until = max(budget.blocked_until, now) + rate.seconds / rate.count
            budget.forgotten_at = budget.blocked_until
        under_way = self._tally(("logins", identifier))
        under_way.count += 1
        under_way.forgotten_at = now + LONGEST_LOGIN_SECONDS
        return max(tally.count for tally in failures) + under_way.count - 1

    async def failed(self, identifier: str, client: Client) -> None:
        self._require_no_wait(identifier, client)
        now = self.clock()
        for key, longest in self._failure_keys(identifier, client):
            tally = self._tally(key)
            tally.count += 1
            if tally.count >= WAITS_FROM_FAILURE:
                doublings = min(tally.count - WAITS_FROM_FAILURE, 20)
                tally.blocked_until = now + min(FIRST_WAIT_SECONDS * 2**doublings, longest)
            tally.forgotten_at = max(now, tally.blocked_until) + MEMORY_SECONDS

    async def succeeded(self, identifier: str, client: Client) -> None:
        self._require_no_wait(identifier, client)
        await self.forgive(identifier, client)

    async def forgive(self, identifier: str, client: Client) -> None:
        for key, _ in self._failure_keys(identifier, client):
            self._tallies.pop(key, None)

    def _require_no_wait(self, identifier: str, client: Client) -> None:
        keys = self._failure_keys(identifier, client)
        wait = max(self._tally(key).blocked_until for key, _ in keys) - self.clock()
        if wait > 0:
            raise TooManyRequests(wait)

    def _failure_keys(
        self, identifier: str, client: Client
    ) -> tuple[tuple[tuple[str, ...], int], ...]:
        return (
            (("failures", identifier, client.network), LONGEST_WAIT_SECONDS),
            (("failures", identifier), LONGEST_WAIT_OVER_ALL_SECONDS),
        )

    def _tally(self, key: tuple[str, ...]) -> Tally:
        tally = self._tallies.get(key)
        if tally is None or tally.forgotten_at <= self.clock():
            tally = self._tallies[key] = Tally(forgotten_at=self.clock() + MEMORY_SECONDS)
        self._tallies.move_to_end(key)
        if len(self._tallies) > self.most:
            self._tallies.popitem(last=False)
        return tally
