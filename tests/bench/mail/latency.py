"""How long after a registration its mail is accepted, by how many register a second."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.bench import argon2_trial
from tests.bench.bench import REAL_COST, Bench
from tests.bench.mail.office import Office
from tests.bench.mail.orders import ask_at
from tests.bench.mail.sendgrid import SendGrid
from tests.bench.registering import registration
from tests.corner import Corner
from tests.load import Answer, Run
from tests.process_usage import cpu_seconds
from tests.report import Figure, Line, Plot, Section, Target

WARM_UP = 20
CONNECTIONS = 64
PERCENTS = (1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98, 99, 99.9)
SHARED = (
    "Postgres, Redis, Kafka and SendGrid share the other processor, as the machine's load has it."
)
COLUMNS = (
    "a second", "asked by", "mails", "answered p50",
    "accepted p50", "p99", "slowest", "service's core", "worker's core",
)  # fmt: skip
REAL, CHEAP = "HTTP, real Argon2", "HTTP, cheapest Argon2"
STRAIGHT = "orders put on Kafka"

HOW = """\
From the moment a request was due (arrivals at random, whatever the service does) to the moment
SendGrid's stand-in accepted the mail; the stand-in answers at once. Service and email worker share
one processor; Kafka, Redis, Postgres, the stand-in and who asks have the others. A hash takes
{hash:.0f} ms here: 100 people a second keep {cores:.1f} cores busy with hashing alone, so at 100 a
second the hash is the cheapest there is. The service itself does not take 1,000 a second on one
core: their orders are put straight onto Kafka, as many services would put them there. The lower
rates are repeated that way, to be compared. That a mail takes a second at most is our own bar."""


@dataclass(frozen=True)
class Way:
    """`mails` holds when each mail was accepted, counted from when it was asked for.

    `lost` were never accepted, `refused` never promised. `service` and `worker` are the shares of
    the core that they took while people asked.
    """

    rate: int
    name: str
    mails: Run
    lost: int
    refused: int
    answered: str
    service: float
    worker: float

    @property
    def row(self) -> tuple[str, ...]:
        p50, p99, slowest = (f"{self.mails.percentile(p):.1f} ms" for p in (50, 99, 100))
        service = f"{self.service:.0%}" if self.service else ""
        many = f"{len(self.mails.answers):,}"
        return (
            f"{self.rate:,}", self.name, many, self.answered,
            p50, p99, slowest, service, f"{self.worker:.0%}",
        )  # fmt: skip

    @property
    def line(self) -> Line:
        points = [(percent, self.mails.percentile(percent)) for percent in PERCENTS]
        return Line(f"{self.rate:,}/s, {self.name}", points)


def measure(bench: Bench, corner: Corner) -> None:
    section = bench.report.section("Mail: from a registration to the accepted mail")
    hash_ms = 1000 / argon2_trial.rate(bench.cpus.measured, 1.0)
    section.tell(HOW.replace("\n", " ").format(hash=hash_ms, cores=hash_ms / 10))
    seconds = bench.size.pick(4, 30)
    with (
        SendGrid.started(bench.cpus.others) as sendgrid,
        Office.opened(bench, corner, sendgrid) as office,
    ):
        ways = [
            _registered(bench, corner, office, rate, count, name)
            for rate, count, name in (
                (10, 2 * seconds * 10, REAL),
                (100, seconds * 100, CHEAP),
            )
        ]
        ways += [_ordered(bench, corner, office, rate, rate * seconds) for rate in (10, 100, 1000)]
    section.table("By how many ask", COLUMNS, [way.row for way in ways])
    _judge(section, ways, hash_ms)
    lines = [way.line for way in ways]
    section.plot(
        Plot(
            "A mail is accepted within",
            "share of mails, %",
            "ms since it was due",
            lines,
            logarithmic=True,
        )
    )


def _judge(section: Section, ways: list[Way], hash_ms: float) -> None:
    whole = ways[0].mails.percentile(50)
    beyond = "p50 at 10/s through HTTP, beyond the hash"
    section.figure(Figure(beyond, whole - hash_ms, "ms", Target(at_most=20), SHARED))
    for way in ways:
        name = f"p99 at {way.rate:,}/s, {way.name}"
        section.figure(Figure(name, way.mails.percentile(99), "ms", Target(at_most=1000)))
    refused = sum(way.refused for way in ways)
    section.figure(Figure("refused", refused, "registrations", Target(at_most=0)))
    section.figure(Figure("lost", sum(way.lost for way in ways), "mails", Target(at_most=0)))


def _registered(
    bench: Bench, corner: Corner, office: Office, rate: int, count: int, name: str
) -> Way:
    bench.report.console.print(f"  {count:,} people register, {rate} a second: {name}")
    addresses = [f"{uuid.uuid4()}@example.org" for _ in range(WARM_UP + count)]
    requests = [registration(address) for address in addresses]
    with bench.service(corner, **(REAL_COST if name == REAL else {})) as service:
        bench.generator.all(service.url, requests[:WARM_UP], connections=2)
        cores = _Cores.now(office.pid, service.process.pid)
        run = bench.generator.open(
            service.url, requests[WARM_UP:], rate=rate, connections=CONNECTIONS
        )
        worker, by_service = cores.taken()
        asked = [
            (address, run.epoch + answer.began)
            for address, answer in zip(addresses[WARM_UP:], run.answers, strict=True)
            if answer.status == 202
        ]
        mails = _mails(office, run, asked)
    lost, refused = len(asked) - len(mails.answers), count - len(asked)
    answered = f"{run.good.percentile(50):.1f} ms"
    return Way(rate, name, mails, lost, refused, answered, by_service, worker)


def _ordered(bench: Bench, corner: Corner, office: Office, rate: int, count: int) -> Way:
    bench.report.console.print(f"  {count:,} {STRAIGHT}, {rate} a second")
    cores = _Cores.now(office.pid)
    due = ask_at(corner, count, rate)
    run = Run(time.perf_counter() - cores.at, (), cores.at)
    (worker,) = cores.taken()
    mails = _mails(office, run, list(due.items()))
    lost = count - len(mails.answers)
    return Way(rate, STRAIGHT, mails, lost, 0, "", 0.0, worker)


def _mails(office: Office, run: Run, asked: list[tuple[str, float]]) -> Run:
    """Of addresses, each with when it asked: how long each one's mail took."""
    accepted = office.accepted([address for address, _ in asked])
    took = [
        Answer(due - run.epoch, accepted[address] - due, 202)
        for address, due in asked
        if address in accepted
    ]
    return replace(run, answers=took)


@dataclass(frozen=True)
class _Cores:
    """CPU seconds of processes, read `at` a moment on time.perf_counter."""

    at: float
    seconds: dict[int, float]

    @classmethod
    def now(cls, *pids: int) -> _Cores:
        return cls(time.perf_counter(), {pid: cpu_seconds(pid) for pid in pids})

    def taken(self) -> Iterator[float]:
        """The share of a core that each has taken since then."""
        now = _Cores.now(*self.seconds)
        for pid, seconds in self.seconds.items():
            yield (now.seconds[pid] - seconds) / (now.at - self.at)
