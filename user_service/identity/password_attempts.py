"""The login throttle: after a few wrong passwords everyone waits longer, and nobody for ever.

Failures count per identifier as typed, never per account: a username's delay must not betray its
address. From one network the wait doubles up to an hour; over all networks it stays at 30 seconds,
so that strangers cannot lock somebody out.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from user_service.errors import TooManyRequests, Unavailable
from user_service.settings.limits import Rates
from user_service.storage.rate_limits import Client
from user_service.storage.redis import RedisStore, Script

ADMIT = Script(Path(__file__).with_name("password_attempts.lua"))
FAIL = Script(Path(__file__).with_name("password_failure.lua"))
SUCCEED = Script(Path(__file__).with_name("password_success.lua"))

FREE_FAILURES = 5
FIRST_WAIT = 30
LONGEST_WAIT = 3600
LONGEST_WAIT_OVER_ALL = 30
MEMORY = 15 * 60
# No request is answered later than this.
LONGEST_LOGIN = 3


class PasswordAttempts(Protocol):
    """Guesses that arrive at once are all admitted, so each is judged again by its outcome."""

    async def admit(self, identifier: str, client: Client) -> int:
        """How many others failed or are under way: if any, a success has to be recorded.

        Raises TooManyRequests before any hash is made.
        """

    async def failed(self, identifier: str, client: Client) -> None:
        """Record it; raises TooManyRequests when others began a wait meanwhile."""

    async def succeeded(self, identifier: str, client: Client) -> None:
        """Forget the failures; raises TooManyRequests when others began a wait meanwhile."""


@dataclass(frozen=True, slots=True)
class SharedAttempts:
    """Counted in Redis, for all processes together."""

    redis: RedisStore
    rates: Rates
    pseudonym: Callable[[str], str]

    async def admit(self, identifier: str, client: Client) -> int:
        network = self.pseudonym(client.network)
        keys = [f"rate:login:{rate.seconds}:{network}" for rate in self.rates]
        budgets = [figure for rate in self.rates for figure in (rate.count, rate.seconds * 1000)]
        under_way = f"logins:{self.pseudonym(identifier)}"
        wait, others = await self.redis.run(
            ADMIT,
            [*self._keys(identifier, client), under_way, *keys],
            *(LONGEST_LOGIN * 1000, *budgets),
        )
        if wait:
            raise TooManyRequests(wait / 1000)
        return int(others)

    async def failed(self, identifier: str, client: Client) -> None:
        waits = (FIRST_WAIT, LONGEST_WAIT, LONGEST_WAIT_OVER_ALL, MEMORY)
        wait = await self.redis.run(
            FAIL,
            self._keys(identifier, client),
            FREE_FAILURES,
            *(seconds * 1000 for seconds in waits),
        )
        if wait:
            raise TooManyRequests(wait / 1000)

    async def succeeded(self, identifier: str, client: Client) -> None:
        wait = await self.redis.run(SUCCEED, self._keys(identifier, client))
        if wait:
            raise TooManyRequests(wait / 1000)

    def _keys(self, identifier: str, client: Client) -> list[str]:
        name = self.pseudonym(identifier)
        return [f"failures:{name}:{self.pseudonym(client.network)}", f"failures:{name}"]


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
        under_way.forgotten_at = now + LONGEST_LOGIN
        return max(tally.count for tally in failures) + under_way.count - 1

    async def failed(self, identifier: str, client: Client) -> None:
        self._require_no_wait(identifier, client)
        now = self.clock()
        for key, longest in self._failure_keys(identifier, client):
            tally = self._tally(key)
            tally.count += 1
            if tally.count >= FREE_FAILURES:
                doublings = min(tally.count - FREE_FAILURES, 20)
                tally.blocked_until = now + min(FIRST_WAIT * 2**doublings, longest)
            tally.forgotten_at = max(now, tally.blocked_until) + MEMORY

    async def succeeded(self, identifier: str, client: Client) -> None:
        self._require_no_wait(identifier, client)
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
            (("failures", identifier, client.network), LONGEST_WAIT),
            (("failures", identifier), LONGEST_WAIT_OVER_ALL),
        )

    def _tally(self, key: tuple[str, ...]) -> Tally:
        tally = self._tallies.get(key)
        if tally is None or tally.forgotten_at <= self.clock():
            tally = self._tallies[key] = Tally(forgotten_at=self.clock() + MEMORY)
        self._tallies.move_to_end(key)
        if len(self._tallies) > self.most:
            self._tallies.popitem(last=False)
        return tally


@dataclass(frozen=True, slots=True)
class ThrottledAttempts:
    """Shared while Redis answers, local while it does not: a login needs no Redis."""

    shared: PasswordAttempts
    local: PasswordAttempts

    async def admit(self, identifier: str, client: Client) -> int:
        try:
            return await self.shared.admit(identifier, client)
        except Unavailable:
            return await self.local.admit(identifier, client)

    async def failed(self, identifier: str, client: Client) -> None:
        try:
            await self.shared.failed(identifier, client)
        except Unavailable:
            await self.local.failed(identifier, client)

    async def succeeded(self, identifier: str, client: Client) -> None:
        try:
            await self.shared.succeeded(identifier, client)
        except Unavailable:
            await self.local.succeeded(identifier, client)
