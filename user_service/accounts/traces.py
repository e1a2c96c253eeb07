"""What Redis still remembers of an account that is gone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from user_service.errors import Unavailable
from user_service.identity.challenge_store import Challenges

LONGEST_SECONDS = 0.5

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Traces:
    """The challenges of every purpose: they hold addresses for up to half an hour."""

    registrations: Challenges
    recoveries: Challenges
    address_changes: Challenges

    async def erase(self, address: str, address_change: str | None) -> None:
        """Forget what the owner of the address has proven, and the change that was begun.

        They are dead without it, by what Postgres knows, so an outage of Redis stops nothing. What
        is open for the address stays its half hour: anybody may have opened it, and its vanishing
        would tell them that there had been an account.
        """
        try:
            # Whoever deleted the account is answered in time, whatever Redis does.
            async with asyncio.timeout(LONGEST_SECONDS):
                for challenges in (self.registrations, self.recoveries, self.address_changes):
                    await challenges.forget_proven(address)
                if address_change is not None:
                    await self.address_changes.discard(address_change)
        except (Unavailable, TimeoutError):
            log.warning("traces_left")
