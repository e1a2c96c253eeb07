"""The same requests to a small and to a big installation, turn by turn."""

from __future__ import annotations

import itertools
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.bench import Bench
from tests.bench.scale.errands import errands
from tests.bench.scale.town import Caller
from tests.load import Generator
from tests.process_usage import cpu_seconds
from tests.report import Figure, Section, Target

TURNS = 6
MORE = 5
WITHIN = Target(at_most=1.2)
NOT_BUFFERED = "Its pages come from the system's cache where they find no room in Postgres' own."
COLUMNS = (
    "operation",
    *(f"small, {what}" for what in ("alone", "many at a time", "service", "Postgres")),
    *(f"big, {what}" for what in ("alone", "many at a time", "service", "Postgres")),
)
TOLD = (
    "The same requests were sent to a service on either of them, turn by turn in the same minutes;"
    " each was about somebody from anywhere in the tables, in the small one about the same people"
    " again where there are too few. Postgres has its default memory settings: the small"
    " installation lies in its 128 MB of buffers, the big one does not. Nothing is synced, and the"
    " operating system may cache every page: no disk is measured. CPU is that of the service and of"
    " the Postgres processes that serve it, with many at a time."
)
BACKENDS = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend'
      AND pid <> pg_backend_pid()
"""


@dataclass
class InTown:
    """What one errand took in one town; CPU in seconds, of `busy` requests together."""

    turns: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    busy: int = 0
    service_cpu: float = 0.0
    postgres_cpu: float = 0.0

    @property
    def cells(self) -> tuple[str, ...]:
        medians = (f"{statistics.median(self.turns[many]):.2f} ms" for many in self.turns)
        cpu = (self.service_cpu, self.postgres_cpu)
        return (*medians, *(f"{seconds / self.busy * 1e6:.0f} µs" for seconds in cpu))


def compare(bench: Bench, section: Section, small: Caller, big: Caller) -> None:
    """The ratios of all errands, and a table of what they are made of."""
    section.tell(TOLD)
    rows = []
    for errand in errands(bench.generator):
        few = bench.size.pick(30, 60) // (10 if errand.why else 1)
        requests = [errand.requests(each, needed(few)) for each in (small, big)]
        in_small, in_big = measure_turns(
            bench.generator, (small, big), requests, few, errand.at_once
        )
        for many in (1, errand.at_once):
            ratios = [b / s for b, s in zip(in_big.turns[many], in_small.turns[many], strict=True)]
            name = f"{errand.name}, {many} at a time: median in big ÷ in small"
            why = errand.why or NOT_BUFFERED
            section.figure(Figure(name, statistics.median(ratios), "×", WITHIN, why))
        rows.append((errand.name, *in_small.cells, *in_big.cells))
    section.table("Medians, and CPU for a request", COLUMNS, rows)


def needed(few: int) -> int:
    """Requests for each town, with which it is warmed up and measured."""
    return (TURNS + 1) * few * (1 + MORE)


def measure_turns(
    generator: Generator,
    callers: Sequence[Caller],
    requests: Sequence[Sequence[bytes]],
    few: int,
    at_once: int,
) -> list[InTown]:
    """`few` requests a turn over one connection, `MORE` times as many over `at_once`.

    The first turn warms up, and each begins where the last one ended.
    """
    measured = [InTown() for _ in callers]
    towns = list(zip(callers, map(iter, requests), measured, strict=True))
    for turn in range(TURNS + 1):
        for many in (1, at_once):
            for caller, place, result in towns:
                batch = list(itertools.islice(place, few if many == 1 else few * MORE))
                _measure(generator, caller, batch, many, result if turn else InTown())
        towns.reverse()
    return measured


def _measure(
    generator: Generator, caller: Caller, batch: list[bytes], many: int, result: InTown
) -> None:
    service = caller.service
    service_before, postgres_before = cpu_seconds(service.process.pid), _postgres_seconds(caller)
    run = generator.closed(service.url, batch, connections=many, seconds=60)
    if run.refused.answers:
        raise AssertionError(f"refused: {run.refused.statuses}")
    if many > 1:
        result.busy += len(run.answers)
        result.service_cpu += cpu_seconds(service.process.pid) - service_before
        result.postgres_cpu += _postgres_seconds(caller) - postgres_before
    result.turns[many].append(run.percentile(50))


def _postgres_seconds(caller: Caller) -> float:
    """Time on a processor of those who serve the town, to the nanosecond; each has one thread."""
    pids = [row["pid"] for row in caller.town.corner.rows(BACKENDS)]
    return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in pids) / 1e9
