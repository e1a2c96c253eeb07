"""Three times as many logins as can be hashed: what is answered, what is refused, and how."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace

from tests.bench import members
from tests.bench.bench import REAL_COST, SHIPPED_COST, Bench
from tests.load import Answer, Run
from tests.process_usage import forget_peak, peak_mib, resident_mib
from tests.report import Figure, Line, Plot, Section, Target
from tests.service_process import ServiceProcess
from user_service.identity.hash_pool import QUEUE_SECONDS

TIMES = 3
SATURATING = 16
CONNECTIONS = 512
HASH_MIB = SHIPPED_COST.memory / 1024
HASH_THREADS = 1
# The default, for one thread.
HASH_QUEUE = 32
# What a service may grow by in connections and buffers, and then no more.
ALLOWANCE_MIB = 50
LATER_MIB = 5
REFUSALS_COST = "Two of three are refused, and what that takes of the core is not hashed in."
NORMAL = 1.5
IN_A_ROW = 3
AFTERWARDS_SECONDS = 4.0


@dataclass(frozen=True)
class Floods:
    """Every login is somebody's first, with the right password."""

    bench: Bench
    service: ServiceProcess

    def closed(self, connections: int, seconds: float) -> Run:
        return self.bench.generator.closed(
            self.service.url, self._log_ins(seconds * 150), connections=connections, seconds=seconds
        )

    def open(self, rate: float, seconds: float) -> Run:
        return self.bench.generator.open(
            self.service.url, self._log_ins(rate * seconds), rate=rate, connections=CONNECTIONS
        )

    def _log_ins(self, many: float) -> list[bytes]:
        return members.log_ins(self.bench.corner, int(many), members.SHIPPED)


def measure(bench: Bench) -> None:
    section = bench.report.section("Overload")
    seconds = bench.size.pick(8.0, 30.0)
    section.tell(
        f"One core, shipped Argon2, one hash thread. {SATURATING} people who log in one after the "
        f"other saturate it, before and after. Between, {TIMES} times as many logins a second "
        f"arrive at random, whatever becomes of those before them: for {seconds / 2:.0f} s, after "
        f"which memory has to have grown to what it needs, and then for {seconds:.0f} s."
    )
    with bench.service(bench.corner, **REAL_COST) as service:
        floods = Floods(bench, service)
        pid = service.process.pid
        idle = resident_mib(pid)
        floods.closed(1, 0.5)
        alone = floods.closed(1, seconds / 4)
        before = floods.closed(SATURATING, seconds / 2).rate
        forget_peak(pid)
        section.console.print(f"  {TIMES * before:.0f} logins a second")
        floods.open(TIMES * before, seconds / 2)
        grown = peak_mib(pid) - idle
        flood = floods.open(TIMES * before, seconds)
        later = peak_mib(pid) - idle - grown
        after = floods.closed(1, AFTERWARDS_SECONDS)
        saturated = (before + floods.closed(SATURATING, seconds / 2).rate) / 2
    _tell_goodput(section, saturated, flood)
    _tell_refusals(section, flood, HASH_QUEUE / saturated)
    most = HASH_THREADS * HASH_MIB + ALLOWANCE_MIB
    section.figure(Figure("memory above idle, at most", grown, "MiB", Target(at_most=most)))
    section.figure(
        Figure("more of it in the second flood", later, "MiB", Target(at_most=LATER_MIB))
    )
    _tell_recovery(section, alone, flood, after)
    section.plot(_over_time(flood))


def _tell_goodput(section: Section, saturated: float, flood: Run) -> None:
    section.figure(Figure("saturated", saturated, "logins a second"))
    section.figure(Figure("logins offered", len(flood.answers) / last_due(flood), "a second"))
    goodput = flood.rate / saturated
    name = "answered with a session ÷ saturated"
    section.figure(Figure(name, goodput, "×", Target(at_least=0.9), REFUSALS_COST))
    section.figure(Figure("p50 of those", flood.good.percentile(50), "ms"))
    section.figure(Figure("p99 of those", flood.good.percentile(99), "ms", Target(at_most=1500)))


def _tell_refusals(section: Section, flood: Run, queue_seconds: float) -> None:
    refused = flood.refused
    share = len(refused.answers) / len(flood.answers)
    section.figure(Figure("refused", share * 100, "% of the logins"))
    why = ""
    if queue_seconds > QUEUE_SECONDS:
        why = (
            f"The queue of {HASH_QUEUE} is {queue_seconds:.1f} s long here, and who has waited in "
            f"it for {QUEUE_SECONDS:.0f} s is refused then: so slow a core needs less of one."
        )
    p99 = refused.percentile(99)
    section.figure(Figure("p99 of a refusal", p99, "ms", Target(at_most=50), why))
    wrong = [a for a in refused.answers if a.status != 503 or not a.retry_after]
    section.figure(
        Figure("neither a session nor a 503 with Retry-After", len(wrong), "", Target(at_most=0))
    )


def _tell_recovery(section: Section, alone: Run, flood: Run, after: Run) -> None:
    normal = NORMAL * alone.percentile(50) / 1000
    seconds = until_normal(after, normal, since=flood.epoch + last_due(flood))
    section.tell(
        f"A login alone takes {alone.percentile(50):.0f} ms (p50). Normal again is the first of "
        f"{IN_A_ROW} in a row that take no more than {NORMAL} times that."
    )
    section.figure(Figure("from the flood's last login to normal", seconds, "s", Target(at_most=5)))


def last_due(run: Run) -> float:
    """Seconds from a load's beginning to its last request."""
    return max(answer.began for answer in run.answers)


def until_normal(run: Run, normal: float, *, since: float) -> float:
    """Seconds from `since`, on time.perf_counter, until answers take no more than `normal` seconds.

    Infinite when they never do so in a row.
    """
    for number, answer in enumerate(run.answers):
        row = run.answers[number : number + IN_A_ROW]
        if len(row) == IN_A_ROW and all(0 < a.status < 400 and a.seconds <= normal for a in row):
            return run.epoch + answer.began + answer.seconds - since
    return math.inf


def _over_time(flood: Run) -> Plot:
    return Plot(
        f"Logins at {TIMES} times saturation",
        "seconds since it began",
        "ms, p99 of each second",
        [
            Line("a session", _by_second(flood.good)),
            Line("refused", _by_second(flood.refused)),
        ],
        logarithmic=True,
    )


def _by_second(run: Run) -> list[tuple[float, float]]:
    seconds: dict[int, list[Answer]] = defaultdict(list)
    for answer in run.answers:
        seconds[int(answer.began)].append(answer)
    return [
        (second, replace(run, answers=seconds[second]).percentile(99)) for second in sorted(seconds)
    ]
