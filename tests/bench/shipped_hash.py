"""Logins and registrations with the shipped Argon2, against what a core can hash."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from statistics import fmean, median

from tests.bench import argon2_trial, members
from tests.bench.bench import REAL_COST, Bench
from tests.bench.cost import Cost
from tests.bench.operations import Operation, registrations
from tests.load import Cpus
from tests.process_usage import peak_mib, resident_mib
from tests.report import Figure, Section, Target
from tests.service_process import ServiceProcess

CONNECTIONS = 8
TURNS = 5
HASH_MIB = int(REAL_COST["ARGON2_MEMORY_KIB"]) / 1024


def tell(bench: Bench, section: Section) -> None:
    section.tell(
        "With the shipped Argon2 and one hash thread. First the service may use every core: the "
        "thread should hash without a pause. Then it has one core for the hashes and for all else."
    )
    every = bench.cpus.measured | bench.cpus.others
    everywhere = replace(bench, cpus=Cpus(every, bench.cpus.others))
    target = Target(at_least=0.95)
    with everywhere.service(bench.corner, **REAL_COST) as service:
        for operation in _operations(bench):
            ratio, _ = _ratio(bench, service, operation)
            section.figure(
                Figure(f"{operation.name}s ÷ raw hashes of a thread", ratio, "×", target)
            )
    with bench.service(bench.corner, **REAL_COST) as service:
        idle = resident_mib(service.process.pid)
        for operation in _operations(bench):
            ratio, why = _ratio(bench, service, operation)
            name = f"{operation.name}s ÷ raw hashes, all on one core"
            section.figure(Figure(name, ratio, "×"))
            section.tell(why)
        grown = peak_mib(service.process.pid) - idle
    section.figure(Figure(f"memory while it hashes, {HASH_MIB:.0f} MiB each", grown, "MiB"))


def _operations(bench: Bench) -> list[Operation]:
    log_ins = partial(members.log_ins, bench.corner, hasher=members.SHIPPED)
    return [Operation("login", log_ins), Operation("register", registrations)]


def _ratio(bench: Bench, service: ServiceProcess, operation: Operation) -> tuple[float, str]:
    """Answers for each raw hash of the seconds before; and what of the core the rest takes."""
    bench.report.console.print(f"  {operation.name}, shipped Argon2")
    seconds = bench.size.pick(1.2, 5.0)
    raw, costs = [], []
    for _ in range(TURNS):
        raw.append(argon2_trial.rate(bench.cpus.measured, seconds / 2))
        costs.append(_cost(bench, service, operation.requests(int(raw[-1] * seconds * 2)), seconds))
    hash_ms = 1000 / fmean(raw)
    own_ms = 1000 * fmean(cost.cpu for cost in costs)
    why = (
        f"A {operation.name} takes {own_ms:.1f} ms of the core, a raw hash {hash_ms:.1f}: "
        f"on one core no more than {hash_ms / own_ms:.2f} can be had."
    )
    return median(cost.run.rate / rate for cost, rate in zip(costs, raw, strict=True)), why


def _cost(bench: Bench, service: ServiceProcess, requests: list[bytes], seconds: float) -> Cost:
    return Cost.of(
        bench,
        service.process.pid,
        lambda: bench.generator.closed(
            service.url, requests, connections=CONNECTIONS, seconds=seconds
        ),
    )
