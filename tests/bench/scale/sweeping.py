"""Whether the worker's sweeps keep up with what is written, and whom they disturb."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from datetime import UTC, datetime

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
ANY_OVERDUE = f"""
    SELECT EXISTS (SELECT {SESSIONS}) OR EXISTS (SELECT {EVENTS}) OR EXISTS (SELECT {ENTRIES})
"""
# What was measured before has left events, and the relay is not this measurement's subject.
RELAYED = "UPDATE outbox SET acknowledged_at = now() WHERE acknowledged_at IS NULL"
A_SECOND = 200
QUIET_SECONDS = 5
LONGEST_SECONDS = 300
# Of a login: its session, its event, its audit entry.
ROWS_OF_A_LOGIN = 3
SHARED = "Postgres' sweeping process shares a processor with those that answer, and with who asks."
# No more than a saturated hash pool may.
DISTURBED = Target(at_most=3)


def sweep(bench: Bench, section: Section, caller: Caller) -> None:
    corner = caller.town.corner
    corner.rows(RELAYED)
    requests = _requests(caller)
    before = _asked(bench, caller, requests, QUIET_SECONDS)
    moment = datetime.now(UTC)
    overdue = corner.rows(OVERDUE, moment)[0][0]
    with pinned(bench.cpus.others), WorkerProcess.started(corner.variables) as worker:
        worker.come_up()
        began, answers = time.monotonic(), list[Answer]()
        while corner.rows(ANY_OVERDUE, moment)[0][0] and time.monotonic() - began < LONGEST_SECONDS:
            answers += _asked(bench, caller, requests, 1).answers
        seconds = time.monotonic() - began
    left = corner.rows(OVERDUE, moment)[0][0]
    during = Run(seconds, answers)
    section.tell(
        f"{overdue:,} sessions, events and audit entries of the big installation were overdue when"
        f" a worker started, whose first act is to sweep. Meanwhile {A_SECOND} profiles a second"
        " were read, at random times; on a machine of two processors the worker, Postgres and who"
        " asks share one."
    )
    section.figure(Figure("overdue rows left", left, "", Target(at_most=0)))
    rate = (overdue - left) / seconds
    section.figure(Figure("overdue rows removed", rate, "a second"))
    section.figure(Figure("a million rows take", 1e6 / rate, "s"))
    section.figure(Figure("that keeps up with logins", rate / ROWS_OF_A_LOGIN, "a second"))
    quiet, swept = before.percentile(99), during.percentile(99)
    section.figure(Figure("p99 of a profile before", quiet, "ms"))
    section.figure(Figure("p99 of a profile during the sweep", swept, "ms"))
    name = "p99 of a profile during the sweep ÷ before"
    section.figure(Figure(name, swept / quiet, "×", DISTURBED, SHARED))
    lost = len(during.refused.answers)
    section.figure(Figure("profiles refused during the sweep", lost, "", Target(at_most=0)))


def _requests(caller: Caller) -> Iterator[bytes]:
    people = itertools.islice(caller.town.people(2000), 2000)
    return itertools.cycle([profile(caller, person) for person in people])


def _asked(bench: Bench, caller: Caller, requests: Iterator[bytes], seconds: int) -> Run:
    batch = list(itertools.islice(requests, seconds * A_SECOND))
    return bench.generator.open(caller.service.url, batch, rate=A_SECOND, connections=32)
