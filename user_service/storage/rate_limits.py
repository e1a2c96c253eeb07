"""How often a client network may ask, and how often an address may be mailed.

Both are spent in one atomic step, before anybody looks whether the address has an account.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from msgspec import Struct

from shared.codes import Purpose
from user_service.errors import TooManyRequests
from user_service.settings.limits import Limits, Rates
from user_service.storage.redis import RedisStore, Script

SPEND = Script(Path(__file__).with_name("rate_limits.lua"))


class Client(Struct, frozen=True):
    """Where a request comes from: its address, and the networks that limits are kept by.

    `network` is the IPv4 address or the IPv6 /64; `site` is the IPv4 address or the IPv6 /48.
    """

    address: str
    network: str
    site: str


class MailShare(Struct, frozen=True):
    """One mail's share of an address's budget, to be given back if it was certainly not sent."""

    log: str
    entry: str


@dataclass(frozen=True, slots=True)
class RateLimits:
    redis: RedisStore
    limits: Limits
    pseudonym: Callable[[str], str]

    @property
    def mail_interval(self) -> int:
        """Seconds that lie between two mails to an address at least."""
        rates = self.limits.address_site + self.limits.address_all
        return max((rate.seconds for rate in rates if rate.count == 1), default=0)

    async def spend(self, action: str, client: Client) -> None:
        """Take one request from the network's budget for `action`; raises TooManyRequests."""
        await self._spend(action, client, log="", share="")

    async def spend_mail(
        self, action: str, client: Client, purpose: Purpose, address: str
    ) -> MailShare:
        """Take one request and one mail to `address` at once; raises TooManyRequests."""
        log = f"mailed:{purpose}:{self.pseudonym(address)}"
        share = secrets.token_hex(8)
        await self._spend(action, client, log=log, share=share)
        return MailShare(log, f"{self.pseudonym(client.site)}|{share}")

    async def give_back(self, share: MailShare) -> None:
        await self.redis.command("ZREM", share.log, share.entry)

    async def _spend(self, action: str, client: Client, *, log: str, share: str) -> None:
        rates: Rates = getattr(self.limits, action)
        network = self.pseudonym(client.network)
        keys = [f"rate:{action}:{rate.seconds}:{network}" for rate in rates]
        arguments: list[str | int] = [share, self.pseudonym(client.site), len(rates)]
        for rate in rates:
            arguments += (rate.count, rate.seconds * 1000)
        if log:
            for rate in self.limits.address_site:
                arguments += ("network", rate.count, rate.seconds * 1000)
            for rate in self.limits.address_all:
                arguments += ("all", rate.count, rate.seconds * 1000)
        wait = await self.redis.run(SPEND, [*keys, log], *arguments)
        if wait:
            raise TooManyRequests(wait / 1000)
