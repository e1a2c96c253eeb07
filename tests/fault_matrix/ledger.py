"""What clients saw and the mail provider took, written down apart from what the services say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.people import Person

AS_PROMISED = {"register": 202, "resend": 202, "verify": 201, "log in": 200, "profile": 200}
EVERYTHING = frozenset(AS_PROMISED)
# What people do as long as the load lasts. Verifying and resending follow on mails, and are tried
# again until they succeed or the recovery has taken too long.
STEADY = ("register", "log in", "profile")
# What takes longer than this is a late mail.
PROMPT_SECONDS = 2.0


class Arrival(NamedTuple):
    """One mail, and how long it was waited for; `at` is of the monotonic clock."""

    at: float
    seconds: float


class Seen(NamedTuple):
    """One request; times are of the monotonic clock, status 0 means that no answer came.

    `proper` is a success with a JSON object, and a refusal that says when to come again, in the
    form of all others.
    """

    step: str
    at: float
    seconds: float
    status: int
    proper: bool = True
    said: str = ""


@dataclass
class Ledger:
    """`acknowledged` are registration ids and `created` user ids, by address."""

    seen: list[Seen] = field(default_factory=list)
    acknowledged: dict[str, str] = field(default_factory=dict)
    created: dict[str, str] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    logins: Counter[str] = field(default_factory=Counter)
    """Logins that a client saw succeed, by address."""
    resent: set[str] = field(default_factory=set)
    """Addresses of those who asked for another mail."""
    arrivals: list[Arrival] = field(default_factory=list)
    crossed: int = 0
    """Requests that met the end of a kept connection and were sent again."""
    astray: list[str] = field(default_factory=list)
    """What ended somebody's journey without having been foreseen."""

    def lost_mails(self, mailed: Mapping[str, int], put_aside: frozenset[str]) -> list[str]:
        """Addresses that were told 202, got no mail, and whose event is no dead letter either."""
        return [
            address
            for address, registration_id in self.acknowledged.items()
            if not mailed.get(address) and registration_id not in put_aside
        ]

    def lost_accounts(self, accounts: Mapping[str, str]) -> list[str]:
        """Addresses that were told 201 and have no such account; `accounts` are ids by address."""
        return [address for address, id in self.created.items() if accounts.get(address) != id]

    def lost_events(self, registered: Counter[str], logged_in: Counter[str]) -> list[str]:
        """User ids of accounts and logins that a client saw and the events do not tell of."""
        lost = [id for id in self.created.values() if not registered[id]]
        for address, times in self.logins.items():
            id = self.created[address]
            lost += [id] * max(0, times - logged_in[id])
        return lost

    def wrong(self, allowed: frozenset[int]) -> list[Seen]:
        """Answers that are neither what was promised, nor a proper 503, nor allowed besides."""
        return [each for each in self.seen if not _right(each, allowed)]

    def unanswered(self) -> list[Seen]:
        return [each for each in self.seen if each.status == 0]

    def during(self, began: float, ended: float) -> list[Seen]:
        """What was asked in this time."""
        return [each for each in self.seen if began <= each.at < ended]

    def failed_apart_from(self, began: float, ended: float) -> list[Seen]:
        """What failed before this time, or was asked after it and never answered."""
        return [
            each
            for each in self.seen
            if (each.at + each.seconds < began and each.status != AS_PROMISED[each.step])
            or (each.at > ended and each.status == 0)
        ]

    def unserved(self, since: float) -> list[str]:
        """Of what people do all the time, in what nobody has succeeded since then."""
        served = {
            each.step
            for each in self.seen
            if each.at + each.seconds >= since and each.status == AS_PROMISED[each.step]
        }
        return [step for step in STEADY if step not in served]

    def is_steady(self, since: float) -> bool:
        """Whether everything that people do all the time has succeeded since then, each time."""
        failed = any(
            each.at + each.seconds >= since and each.status != AS_PROMISED[each.step]
            for each in self.seen
        )
        return not failed and not self.unserved(since)

    def slowest(self) -> float:
        """Seconds of the slowest answer."""
        return max((each.seconds for each in self.seen if each.status), default=0.0)

    def harmed(self, unharmed: frozenset[str], until: float = float("inf")) -> list[Seen]:
        """What failed of the steps that should not have noticed anything.

        Up to the healing: what a backlog does then is the recovery's.
        """
        return [
            each
            for each in self.seen
            if each.at < until and each.step in unharmed and each.status != AS_PROMISED[each.step]
        ]

    def recovery(self, healed: float, until: float = float("inf")) -> float:
        """Seconds from the healing to the end of the last request that was refused or unanswered.

        What ends after `until` is another fault's. What is wrong is counted elsewhere, and a code
        that expired meanwhile stays expired.
        """
        failed = [
            each.at + each.seconds
            for each in self.seen
            if each.at > healed and each.at + each.seconds < until and each.status in (0, 503)
        ]
        return max(failed, default=healed) - healed

    def mail_recovery(self, healed: float) -> float:
        """Seconds from the healing to the arrival of the last mail that was late."""
        late = [each.at for each in self.arrivals if each.seconds > PROMPT_SECONDS]
        return max(0.0, max(late, default=healed) - healed)

    def longest_wait(self) -> float:
        """Seconds that somebody waited for a mail."""
        return max((each.seconds for each in self.arrivals), default=0.0)

    def mail_quantile(self, share: float) -> float:
        """Seconds within which this share of the mails came."""
        waits = sorted(each.seconds for each in self.arrivals)
        return waits[min(len(waits) - 1, int(share * len(waits)))] if waits else 0.0


def _right(seen: Seen, allowed: frozenset[int]) -> bool:
    if seen.status in (503, AS_PROMISED[seen.step]):
        return seen.proper
    return seen.status == 0 or seen.status in allowed
