"""What one core answers: how much, how fast, and what of the machine a request takes."""

from __future__ import annotations

from tests.bench import latency_by_load, round_trips, shipped_hash
from tests.bench.bench import Bench
from tests.bench.measured import CONNECTIONS, CPU_CONNECTIONS, LOAD, USUAL, Measured, Measuring
from tests.bench.operations import Asking
from tests.bench.yardstick import Yardstick
from tests.load import Run
from tests.process_usage import largest_mib, peak_mib, resident_mib
from tests.report import Figure, Section, Target
from tests.service_process import ServiceProcess

PLOTTED = ("login", "profile")
MUCH_MEMORY = (
    "What touches more memory than a bare answer suffers more from a machine's neighbours; the "
    "round trips below are what it consists of."
)
IDLE_MIB = 120
PERCENTS = (50, 99, 99.9)


def measure(bench: Bench) -> None:
    section = bench.report.section("Requests")
    section.tell(
        "One worker of the user service has one core for itself; Postgres, Redis, Kafka and the "
        "load generator share the others. The embedded Postgres syncs nothing: the disk is not "
        "measured. Hashes are the cheapest Argon2 unless said otherwise, so that the service's own "
        "work is seen. Nobody is limited."
    )
    with Yardstick.started(bench) as yardstick, bench.service() as service:
        idle = largest_mib(service.process.pid)
        operations = Asking(bench.generator, bench.corner, service).operations()
        measuring = Measuring(bench, service, yardstick)
        measured = [measuring.measured(operation) for operation in operations]
        _tell_cpu(section, measured)
        _tell_rates(section, measured, yardstick)
        _tell_latencies(section, measured)
        _tell_memory(section, service, idle)
        for each in measured:
            if each.operation.name in PLOTTED:
                latency_by_load.plot(measuring, section, each)
    round_trips.tell(bench, section)
    shipped_hash.tell(bench, section)


def _tell_cpu(section: Section, measured: list[Measured]) -> None:
    section.tell(
        "B is what a bare Litestar JSON answer costs on the same server and core, turn by turn "
        f"with each operation, over {CPU_CONNECTIONS} connections: it takes the machine out of the "
        "figures."
    )
    for each in measured:
        ratio, target = each.cpu / each.bare_cpu, each.operation.target
        bound = Target(at_most=target) if target else None
        name = f"CPU of one {each.operation.name}"
        section.figure(Figure(name, ratio, "× B", bound, MUCH_MEMORY))
    refused = sum(each.refused for each in measured)
    section.figure(
        Figure("requests refused while CPU was measured", refused, "", Target(at_most=0))
    )


def _tell_rates(section: Section, measured: list[Measured], yardstick: Yardstick) -> None:
    rates = {connections: yardstick.cost(connections, 1.0) for connections in CONNECTIONS}
    bare_cpu = sum(each.bare_cpu for each in measured) / len(measured)
    rows = [("bare answer (B)", rates, bare_cpu)]
    rows += [(each.operation.name, each.costs, each.cpu) for each in measured]
    section.table(
        "Answers a second, and CPU for one, by the number of connections (closed loop)",
        (
            "operation",
            *(f"over {connections}" for connections in CONNECTIONS),
            f"503 over {CONNECTIONS[-1]}",
            "core busy",
            "others busy",
            *(f"CPU ms, {connections}" for connections in (CPU_CONNECTIONS, *CONNECTIONS)),
        ),
        [
            (
                name,
                *(f"{costs[connections].run.rate:,.0f}" for connections in CONNECTIONS),
                _refused(costs[CONNECTIONS[-1]].run),
                f"{costs[USUAL].busy:.0%}",
                f"{costs[USUAL].others_busy:.0%}",
                f"{cpu * 1000:.3f}",
                *(f"{costs[connections].cpu * 1000:.3f}" for connections in CONNECTIONS),
            )
            for name, costs, cpu in rows
        ],
    )
    section.tell(
        "Busy is meant at 32 connections, whoever is at work there. Where the other cores are and "
        "the service's is not, the rate is that of the parts and the load generator."
    )


def _tell_latencies(section: Section, measured: list[Measured]) -> None:
    section.table(
        f"Milliseconds at {LOAD:.0%} of that rate (open loop: random arrivals, waiting counts)",
        (
            "operation",
            "connections",
            "offered, 1/s",
            "requests",
            *(f"p{percent}" for percent in PERCENTS),
            "503",
            "others busy",
        ),
        [
            (
                each.operation.name,
                str(connections),
                f"{LOAD * each.costs[connections].run.rate:,.0f}",
                f"{len(latency.run.answers):,}",
                *(_percentile(latency.run.good, percent) for percent in PERCENTS),
                _refused(latency.run),
                f"{latency.others_busy:.0%}",
            )
            for each in measured
            for connections, latency in each.latencies.items()
        ],
    )


def _tell_memory(section: Section, service: ServiceProcess, idle: float) -> None:
    pid = service.process.pid
    bound = Target(at_most=IDLE_MIB)
    section.figure(Figure("resident memory of an idle worker process", idle, "MiB", bound))
    section.figure(Figure("of it and its supervisor, after all that", resident_mib(pid), "MiB"))
    section.figure(Figure("of both at their peaks", peak_mib(pid), "MiB"))


def _percentile(run: Run, percent: float) -> str:
    """Nothing of so few that it would be the slowest."""
    few = len(run.answers) * (100 - percent) < 100
    return "" if few else f"{run.percentile(percent):.1f}"


def _refused(run: Run) -> str:
    """The share of a load."""
    return f"{len(run.refused.answers) / len(run.answers):.1%}" if run.refused.answers else "none"
