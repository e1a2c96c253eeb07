"""One row of the matrix: what befalls whom, and what may be noticed of it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.fault_matrix.deployment import Deployment, Exit
from tests.fault_matrix.traffic import ANSWER_SECONDS
from tests.report import Plot

Step = Callable[[Deployment], Awaitable[None]]
# What is wrong in the end, in a sentence each.
Demand = Callable[[Deployment], Awaitable[list[str]]]

# What is promised, and what a busy machine may add to it.
SLOWEST_SECONDS = 3.0 + 0.5
# Who may have met a service that stands still gives up before its answer would be too slow.
PATIENT_SECONDS = SLOWEST_SECONDS - 0.2
ALL_PROCESSES = ("service", "worker", "email")


@dataclass(frozen=True)
class Row:
    """`strike` and `heal` may take their time; between them the fault lasts as long as the size has
    it, or `lasts` seconds.

    `unharmed` are steps that must not notice, `unanswered` says whether connections may break, and
    `deaths` how many ends of email workers or of their connections may each double what is in
    flight. `batches` is how many batches of the relay may go out twice. `statuses` are allowed
    besides a success and a 503, and `dead_letters` why mails or events may be put aside.

    A fault that nobody felt proves nothing: `least_refused` requests must have been refused, and
    some mail must have come no sooner than after `longest_wait` seconds. `demands` ask for more,
    and `demands_before` are asked while the processes still run.
    Mails may be late for `mail_recovery` seconds after the healing. Who has waited `resend_after`
    seconds for a mail asks for another. `more_settings` are of single processes; those `later` are
    started by the strike, and those of `full_disk` cannot log. What happens in a `plotted` row is
    drawn over its time. A quick pass consists of the `principal` ones.

    `rate` people register each second, read their mail for `thinking` seconds, and wait for
    each answer up to `answer_within` seconds. Where a request `crosses` the end of a connection
    that was kept, it is sent again.
    """

    victim: str
    fault: str
    strike: Step
    heal: Step
    processes: tuple[str, ...] = ALL_PROCESSES
    settings: Mapping[str, str] = field(default_factory=dict)
    unharmed: frozenset[str] = frozenset()
    unanswered: bool = False
    deaths: int = 0
    doubled_at_most: int | None = None
    statuses: frozenset[int] = frozenset()
    dead_letters: frozenset[str] = frozenset()
    lasts: float | None = None
    least_refused: int = 0
    longest_wait: float = 0.0
    mail_recovery: float = 10.0
    demands: tuple[Demand, ...] = ()
    demands_before: tuple[Demand, ...] = ()
    batches: int = 0
    rate: float = 20.0
    thinking: float = 0.0
    answer_within: float = ANSWER_SECONDS
    crosses: bool = False
    resend_after: float | None = None
    more_settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    later: tuple[str, ...] = ()
    full_disk: frozenset[str] = frozenset()
    plotted: bool = False
    principal: bool = False

    @property
    def name(self) -> str:
        return f"{self.victim}: {self.fault}"

    @property
    def file_name(self) -> str:
        return re.sub(r"\W+", "-", self.name.lower()).strip("-")


class Recovered(NamedTuple):
    """One strike of several, `at` seconds after the first; the next may come before it is over."""

    at: float
    what: str
    seconds: float


@dataclass(frozen=True)
class Verdict:
    """What the ledger found. Seconds; `problems` are what makes the row red.

    `recovery` is about requests, the longest of all `strikes`, `mail_recovery` about mails that
    were late, and `longest_wait` is the longest that anybody waited for a mail.
    """

    row: Row
    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0
    doubled_at_most: int = 0
    doubled_events: int = 0
    events_at_most: int = 0
    duplicate_users: int = 0
    slowest: float = 0.0
    refused: int = 0
    unanswered: int = 0
    wrong: int = 0
    recovery: float = 0.0
    mail_recovery: float = 0.0
    longest_wait: float = 0.0
    strikes: tuple[Recovered, ...] = ()
    exits: tuple[Exit, ...] = ()
    problems: tuple[str, ...] = ()
    timeline: Plot | None = None

    @property
    def red(self) -> bool:
        return bool(self.problems)
