"""How often a client network may ask, and how often an address may be mailed.

Each is spent in one atomic step, before anybody looks whether the address has an account.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from msgspec import Struct

from shared.codes import Purpose
from user_service.errors import TooManyRequests
from user_service.settings.limits import Limits, Rates
from user_service.storage.redis import RedisStore, Script

SPEND = Script(Path(__file__).with_name("rate_limits.lua"))
SPEND_MAIL = Script(Path(__file__).with_name("mail_budget.lua"))

Action = Literal["register", "resend", "verify", "recovery", "edit"]


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

    async def spend(self, action: Action, client: Client) -> None:
        """Take one request from the network's budgets for `action`; raises TooManyRequests."""
        rates: Rates = getattr(self.limits, action)
        keys = budget_keys(action, rates, self.pseudonym(client.network))
        _admit(await self.redis.run(SPEND, keys, *budget_figures(rates)))

    async def spend_mail(self, client: Client, purpose: Purpose, address: str) -> MailShare:
        """Take one mail from the address's budget; raises TooManyRequests."""
        log = f"mailed:{purpose}:{self.pseudonym(address)}"
        share, site = secrets.token_hex(8), self.pseudonym(client.site)
        rules: list[str | int] = []
        for rate in self.limits.address_site:
            rules += ("site", rate.count, rate.seconds * 1000)
        for rate in self.limits.address_all:
            rules += ("all", rate.count, rate.seconds * 1000)
        _admit(await self.redis.run(SPEND_MAIL, [log], share, site, *rules))
        return MailShare(log, f"{site}|{share}")

    async def give_back(self, share: MailShare) -> None:
        await self.redis.command("ZREM", share.log, share.entry)


def budget_keys(action: str, rates: Rates, network: str) -> list[str]:
    """Where a network's budgets for an action are kept, one for each rate."""
    return [f"rate:{action}:{rate.seconds}:{network}" for rate in rates]


def budget_figures(rates: Rates) -> list[int]:
    """Limit and window in ms for each rate, as the scripts take them."""
    return [figure for rate in rates for figure in (rate.count, rate.seconds * 1000)]


def _admit(wait_ms: int) -> None:
    if wait_ms:
        raise TooManyRequests(wait_ms / 1000)
