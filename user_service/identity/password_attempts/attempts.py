"""What every throttle of logins does, its figures, and which one counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from user_service.errors import Unavailable
from user_service.storage.rate_limits import Client

WAITS_FROM_FAILURE = 5
FIRST_WAIT_SECONDS = 30
LONGEST_WAIT_SECONDS = 3600
LONGEST_WAIT_OVER_ALL_SECONDS = 30
MEMORY_SECONDS = 15 * 60
# No request is answered later than this.
LONGEST_LOGIN_SECONDS = 3


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

    async def forgive(self, identifier: str, client: Client) -> None:
        """Forget the failures and the wait: they were about a password that is none any more."""


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

    async def forgive(self, identifier: str, client: Client) -> None:
        await self.local.forgive(identifier, client)
        await self.shared.forgive(identifier, client)
