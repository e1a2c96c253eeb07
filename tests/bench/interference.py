"""What those who only read notice of those who log in: hashing takes every cycle it is given."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from tests.bench import argon2_trial, members
from tests.bench.bench import REAL_COST, Bench
from tests.bench.operations import Asking
from tests.load import Generator, Run, wire
from tests.report import Figure, Section, Target
from tests.service_process import ServiceProcess

# As many as find room: one is hashed and the others wait.
CROWD = 32
GATHERING_SECONDS = 1.0
PROFILES_A_SECOND, HEALTHS_A_SECOND = 150.0, 50.0
CONNECTIONS = 32
Probe = Callable[[], Run]


def measure(bench: Bench) -> None:
    section = bench.report.section("Interference")
    seconds = bench.size.pick(8.0, 30.0)
    section.tell(
        f"One core, shipped Argon2, one hash thread. {PROFILES_A_SECOND:.0f} profiles and then "
        f"{HEALTHS_A_SECOND:.0f} readings of /health a second arrive at random, {seconds:.0f} s "
        f"each: first alone, then while {CROWD} people log in over and over, so that the hash "
        "thread never rests: that is seen by how many of them are let in, of what the core could "
        "hash if it did nothing else. The event loop's thread goes before hash threads by its "
        "niceness."
    )
    raw = argon2_trial.rate(bench.cpus.measured, 1.0)
    with bench.service(bench.corner, **REAL_COST) as service:
        profile = Asking(bench.generator, bench.corner, service).profile().requests
        health = wire("GET", "/health")

        def profiles() -> Run:
            return _open(bench, service, profile(int(PROFILES_A_SECOND * seconds)), seconds)

        def healths() -> Run:
            return _open(bench, service, [health] * int(HEALTHS_A_SECOND * seconds), seconds)

        profiles()  # statements are prepared, tokens seen
        section.console.print("  alone")
        alone = profiles(), healths()
        section.console.print("  while people log in")
        with _crowd(bench, service, 2 * seconds + 2 * GATHERING_SECONDS) as crowd:
            crowded = profiles(), healths()
        _tell(section, alone, crowded, crowd.result().rate / raw)


def _open(bench: Bench, service: ServiceProcess, requests: list[bytes], seconds: float) -> Run:
    rate = len(requests) / seconds
    return bench.generator.open(service.url, requests, rate=rate, connections=CONNECTIONS)


@contextmanager
def _crowd(bench: Bench, service: ServiceProcess, seconds: float) -> Iterator[Future[Run]]:
    """People who log in meanwhile; the run is there at the end."""
    log_ins = members.log_ins(bench.corner, int(seconds * 300), members.SHIPPED)
    with Generator.started(bench.cpus.others) as crowd, ThreadPoolExecutor(1) as pool:
        run = pool.submit(crowd.closed, service.url, log_ins, connections=CROWD, seconds=seconds)
        time.sleep(GATHERING_SECONDS)
        yield run


def _tell(
    section: Section, alone: tuple[Run, Run], crowded: tuple[Run, Run], log_ins: float
) -> None:
    rows = [
        (name, *(f"{run.percentile(percent):.1f}" for run in runs for percent in (50, 99)))
        for name, *runs in zip(("profile", "/health"), alone, crowded, strict=True)
    ]
    columns = ("", "p50 alone", "p99 alone", "p50 among logins", "p99 among logins")
    section.table("Milliseconds", columns, rows)
    section.figure(Figure("logins meanwhile ÷ raw hashes", log_ins, "×", Target(at_least=0.7)))
    ratio = crowded[0].percentile(99) / alone[0].percentile(99)
    section.figure(Figure("profile's p99 among logins ÷ alone", ratio, "×", Target(at_most=3)))
    section.figure(
        Figure("p99 of /health among logins", crowded[1].percentile(99), "ms", Target(at_most=100))
    )
    answers = [answer for run in (*alone, *crowded) for answer in run.refused.answers]
    section.figure(Figure("profiles and healths not answered", len(answers), "", Target(at_most=0)))
