"""The throttle in Redis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

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
from user_service.storage.rate_limits import Client, budget_figures, budget_keys
from user_service.storage.redis import RedisStore, Script

SCRIPTS = Path(__file__).parent
ADMIT = Script(SCRIPTS / "admit.lua")
FAIL = Script(SCRIPTS / "fail.lua")
SUCCEED = Script(SCRIPTS / "succeed.lua")


@dataclass(frozen=True, slots=True)
class SharedAttempts:
    """Counted in Redis, for all processes together."""

    redis: RedisStore
    rates: Rates
    pseudonym: Callable[[str], str]

    async def admit(self, identifier: str, client: Client) -> int:
        keys = budget_keys("login", self.rates, self.pseudonym(client.network))
        under_way = f"logins:{self.pseudonym(identifier)}"
        wait, others = await self.redis.run(
            ADMIT,
            [*self._keys(identifier, client), under_way, *keys],
            *(LONGEST_LOGIN_SECONDS * 1000, *budget_figures(self.rates)),
        )
        if wait:
            raise TooManyRequests(wait / 1000)
        return int(others)

    async def failed(self, identifier: str, client: Client) -> None:
        waits = (
            FIRST_WAIT_SECONDS,
            LONGEST_WAIT_SECONDS,
            LONGEST_WAIT_OVER_ALL_SECONDS,
            MEMORY_SECONDS,
        )
        wait = await self.redis.run(
            FAIL,
            self._keys(identifier, client),
            WAITS_FROM_FAILURE,
            *(seconds * 1000 for seconds in waits),
        )
        if wait:
            raise TooManyRequests(wait / 1000)

    async def succeeded(self, identifier: str, client: Client) -> None:
        wait = await self.redis.run(SUCCEED, self._keys(identifier, client))
        if wait:
            raise TooManyRequests(wait / 1000)

    async def forgive(self, identifier: str, client: Client) -> None:
        await self.redis.command("DEL", *self._keys(identifier, client))

    def _keys(self, identifier: str, client: Client) -> list[str]:
        name = self.pseudonym(identifier)
        return [f"failures:{name}:{self.pseudonym(client.network)}", f"failures:{name}"]
