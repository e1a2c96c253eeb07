"""How many mails one worker sends: as many as its concurrency allows, or as its core can make."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.bench.bench import Bench
from tests.bench.mail.office import Office, Pace
from tests.bench.mail.orders import ask
from tests.bench.mail.sendgrid import SendGrid
from tests.corner import Corner
from tests.report import Figure, Line, Plot, Section, Target

DEFAULT_CONCURRENCY = 100
CONCURRENCIES = {
    0.02: ((10, 30, 100, 200), (10, 20, 30, 40, 50, 70, 100, 200)),
    0.2: ((100, 300, 800), (50, 100, 200, 300, 400, 600, 800)),
}
# About what a core makes: it only decides how many mails are asked for.
CORE_RATE = 3_000
COLUMNS = (
    "SendGrid answers in", "at a time", "so at most", "mails a second", "of the most",
    "worker's core", "wanted", "mails per CPU second", "stand-in's core", "bound by",
)  # fmt: skip
HOW = """\
One worker on one processor, a backlog before it, the stand-in in a process of its own on another.
Its settings allow EMAIL_CONCURRENCY ÷ SendGrid's answering time, as a bare client sees that; beyond
it the worker's core decides. Counted from the first to the last tenth of the mails. The figures
are for the default of {default} at a time. Where that allows fewer mails than a second of CPU
makes, they should be sent; where it allows more, nearly as many as with the most at a time, and
then the worker should want its core all the time. Costly mails would want it too, so each has to be
cheap. Bound by is the limit that is used to 90 %.
Of its core the worker gets less than it wants where other programs run."""


@dataclass(frozen=True)
class Point:
    """`latency` is what the stand-in waits, `answers` its time for a bare client; in seconds."""

    latency: float
    answers: float
    concurrency: int
    pace: Pace

    @property
    def nominal(self) -> str:
        return f"{self.latency * 1000:.0f} ms"

    @property
    def allowed(self) -> float:
        return self.concurrency / self.answers

    @property
    def of_allowed(self) -> float:
        return self.pace.rate / self.allowed

    @property
    def bound(self) -> str:
        if self.used < 0.9:
            return "neither"
        return "its core" if self.pace.wanted > self.of_allowed else "SendGrid"

    @property
    def used(self) -> float:
        """How much of the nearer limit."""
        return max(self.of_allowed, self.pace.wanted)

    @property
    def per_cpu_second(self) -> float:
        return self.pace.rate / self.pace.worker

    @property
    def row(self) -> tuple[str, ...]:
        pace = self.pace
        return (
            f"{self.answers * 1000:.1f} ms", str(self.concurrency), f"{self.allowed:,.0f}/s",
            f"{pace.rate:,.0f}", f"{self.of_allowed:.0%}", f"{pace.worker:.0%}",
            f"{pace.wanted:.0%}",
            f"{self.per_cpu_second:,.0f}", f"{pace.sendgrid:.0%}", self.bound,
        )  # fmt: skip


def measure(bench: Bench, corner: Corner) -> None:
    section = bench.report.section("Mail: what one worker sends")
    section.tell(HOW.replace("\n", " ").format(default=DEFAULT_CONCURRENCY))
    points = list(_points(bench, corner))
    section.table("By what its settings allow", COLUMNS, [point.row for point in points])
    for latency in CONCURRENCIES:
        mine = {point.concurrency: point for point in points if point.latency == latency}
        judge(section, mine[DEFAULT_CONCURRENCY], mine[max(mine)])
    section.plot(_plot(points))


def judge(section: Section, point: Point, most: Point) -> None:
    """The nearer limit must be used, and each mail be cheap; `most` has the most at a time."""
    dear = ""
    if point.allowed < point.per_cpu_second:
        why = f"The worker wanted {point.pace.wanted:.0%} of its core."
        _used(section, "mails a second of what is allowed", point, point.of_allowed, why)
        dear = "Its core is mostly idle: whatever wakes it brings fewer mails along."
    else:
        share = point.pace.rate / most.pace.rate
        _used(section, f"mails a second of those at {most.concurrency} a time", point, share)
        _used(section, f"wanted of the core at {most.concurrency} a time", most, most.pace.wanted)
    name = f"mails per CPU second, SendGrid in {point.nominal}"
    section.figure(Figure(name, point.per_cpu_second, "", Target(at_least=2000), dear))


def _used(section: Section, limit: str, point: Point, share: float, why: str = "") -> None:
    name = f"{limit}, SendGrid in {point.nominal}"
    section.figure(Figure(name, share * 100, "%", Target(at_least=90), why))


def _points(bench: Bench, corner: Corner) -> Iterator[Point]:
    for latency, sizes in CONCURRENCIES.items():
        with SendGrid.started(bench.cpus.others, latency) as sendgrid:
            answers = sendgrid.answering_seconds(bench.generator)
            for concurrency in bench.size.pick(*sizes):
                expected = min(concurrency / answers, CORE_RATE)
                mails = int(expected * bench.size.pick(2.0, 6.0))
                pace = _pace(bench, corner, sendgrid, concurrency, mails)
                yield Point(latency, answers, concurrency, pace)


def _pace(bench: Bench, corner: Corner, sendgrid: SendGrid, concurrency: int, mails: int) -> Pace:
    bench.report.console.print(f"  {mails:,} mails, {concurrency} at a time")
    ask(corner, mails)
    with Office.opened(bench, corner, sendgrid, EMAIL_CONCURRENCY=str(concurrency)) as office:
        return Pace.of(office.until(mails))


def _plot(points: list[Point]) -> Plot:
    allowed = sorted(point.allowed for point in points)
    lines = [Line("what is allowed", [(each, each) for each in allowed])]
    for nominal in dict.fromkeys(point.nominal for point in points):
        mine = [(p.allowed, p.pace.rate) for p in points if p.nominal == nominal]
        lines.append(Line(f"SendGrid answers in {nominal}", mine))
    return Plot(
        "Mails a second by what the settings allow",
        "EMAIL_CONCURRENCY ÷ SendGrid's time, 1/s", "mails a second", lines,
    )  # fmt: skip
