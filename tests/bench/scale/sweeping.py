"""Whether the worker's sweeps keep up with what is written, and whom they disturb."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.bench import Bench
from tests.bench.scale.errands import profile
from tests.bench.scale.town import Caller
from tests.load import Answer, Run
from tests.load.cpus import pinned
from tests.report import Figure, Section, Target
from tests.worker_process import WorkerProcess

# At the moment when the worker starts: afterwards more becomes overdue with every second.
SESSIONS = "FROM sessions WHERE least(ended_at, ends_by) < $1::timestamptz - interval '30 days'"
EVENTS = "FROM outbox WHERE acknowledged_at < $1::timestamptz - interval '7 days'"
ENTRIES = "FROM audit WHERE at < $1::timestamptz - interval '180 days'"
OVERDUE = f"""
    SELECT (SELECT count(*) {SESSIONS}) + (SELECT count(*) {EVENTS}) + (SELECT count(*) {ENTRIES})
"""
# What was measured before has left events, and the relay is not this measurement's subject.
RELAYED = "UPDATE outbox SET acknowledged_at = now() WHERE acknowledged_at IS NULL"
A_SECOND = 200
QUIET_SECONDS = 5
SWEPT_SECONDS = 30
# Of a login: its session, its event, its audit entry.
ROWS_OF_A_LOGIN = 3
# More than one Postgres serves.
KEEPS_UP = Target(at_least=1000)
SHARED = "Postgres' sweeping process shares a processor with those that answer, and with who asks."
# No more than a saturated hash pool may.
DISTURBED = Target(at_most=3)


@dataclass(frozen=True)
class Watched:
    """What people saw for a while, and how much was read from disks meanwhile, in MB a second."""

    run: Run
    read: float

    @classmethod
    def of(cls, bench: Bench, caller: Caller, requests: Iterator[bytes], seconds: float) -> Watched:
        began, read, answers = time.monotonic(), _read_from_disks(), list[Answer]()
        while time.monotonic() < began + seconds:
            batch = list(itertools.islice(requests, A_SECOND))
            url = caller.service.url
            answers += bench.generator.open(url, batch, rate=A_SECOND, connections=32).answers
        took = time.monotonic() - began
        return cls(Run(took, answers), (_read_from_disks() - read) / took)

    @property
    def p99(self) -> float:
        return self.run.percentile(99)


def sweep(bench: Bench, section: Section, caller: Caller) -> None:
    corner = caller.town.corner
    corner.rows(RELAYED)
    requests = _requests(caller)
    before = Watched.of(bench, caller, requests, QUIET_SECONDS)
    moment = datetime.now(UTC)
    overdue = corner.rows(OVERDUE, moment)[0][0]

    with pinned(bench.cpus.others), WorkerProcess.started(corner.variables) as worker:
        worker.come_up()
        during = Watched.of(bench, caller, requests, SWEPT_SECONDS)
    left = corner.rows(OVERDUE, moment)[0][0]
    section.tell(
        f"{overdue:,} sessions, events and audit entries of the big installation were overdue when"
        f" a worker started, whose first act is to sweep. It was watched for {SWEPT_SECONDS} s, in"
        f" which {A_SECOND} profiles a second were read, at random times; on a machine of two"
        " processors the worker, Postgres and who asks share one."
    )
    rate = (overdue - left) / during.run.seconds
    section.figure(Figure("overdue rows removed", rate, "a second"))
    keeps_up = rate / ROWS_OF_A_LOGIN
    section.figure(Figure("that keeps up with logins", keeps_up, "a second", KEEPS_UP))
    for when, watched in {"before": before, "during the sweep": during}.items():
        section.figure(Figure(f"p99 of a profile {when}", watched.p99, "ms"))
        section.figure(Figure(f"read from disks {when}", watched.read, "MB a second"))
    name = "p99 of a profile during the sweep ÷ before"
    section.figure(Figure(name, during.p99 / before.p99, "×", DISTURBED, SHARED))
    lost = len(during.run.refused.answers)
    section.figure(Figure("profiles refused during the sweep", lost, "", Target(at_most=0)))


def _requests(caller: Caller) -> Iterator[bytes]:
    people = itertools.islice(caller.town.people(2000), 2000)
    return itertools.cycle([profile(caller, person) for person in people])


def _read_from_disks() -> float:
    """MB since the machine has started."""
    lines = Path("/proc/vmstat").read_text().splitlines()
    return int(dict(line.split() for line in lines)["pgpgin"]) / 1024
