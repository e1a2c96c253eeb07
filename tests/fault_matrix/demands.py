"""What rows demand besides: a fault that nobody felt proves nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import median

from tests.fault_matrix.deployment import Deployment
from tests.fault_matrix.ledger import AS_PROMISED, Seen
from tests.fault_matrix.row import Demand
from tests.fault_matrix.traffic import NOBODY_LISTENS


def refused(*steps: str, least: int = 10) -> Demand:
    """So many of each of these steps were answered 503 while the fault lasted."""

    def say(seen: list[Seen]) -> Iterable[str]:
        for step in steps:
            times = sum(each.step == step and each.status == 503 for each in seen)
            if times < least:
                yield f"{step} was refused {times} times, where the fault should cost {least}"

    return _of_the_fault(say)


def slower(*steps: str, by: float) -> Demand:
    """The usual success of each of these steps took so much longer than before the fault."""

    async def demand(deployment: Deployment) -> list[str]:
        ledger, struck = deployment.traffic.ledger, deployment.struck
        before, since = ledger.during(0.0, struck), ledger.during(struck, deployment.healed)
        more = {step: _usual_seconds(since, step) - _usual_seconds(before, step) for step in steps}
        return [
            f"{step} took only {seconds:.3f} s more: was the fault felt?"
            for step, seconds in more.items()
            if seconds < by
        ]

    return demand


async def in_flight_answered(deployment: Deployment) -> list[str]:
    """Demands that whoever had been let in was answered before the service ended."""
    dropped = [
        each for each in deployment.traffic.ledger.unanswered() if each.said != NOBODY_LISTENS
    ]
    return [f"{len(dropped)} requests dropped, as {dropped[:1]}"] if dropped else []


def unanswered(*, least: int, most: float = float("inf")) -> Demand:
    """So many requests were not answered at all."""

    async def demand(deployment: Deployment) -> list[str]:
        times = len(deployment.traffic.ledger.unanswered())
        within = least <= times <= most
        return [] if within else [f"{times} requests unanswered, {least} to {most} expected"]

    return demand


def answered(status: int, step: str) -> Demand:
    """Somebody was answered so."""

    async def demand(deployment: Deployment) -> list[str]:
        seen = deployment.traffic.ledger.seen
        felt = any(each.step == step and each.status == status for each in seen)
        return [] if felt else [f"nobody was answered {status}: was the fault felt?"]

    return demand


def logged(event: str, least: int = 1, most: float = float("inf")) -> Demand:
    """Demands that the processes have logged an event so often."""

    async def demand(deployment: Deployment) -> list[str]:
        times = deployment.logged(event)
        return [] if least <= times <= most else [f"{event} was logged {times} times"]

    return demand


async def all_arrive(deployment: Deployment) -> list[str]:
    """Demands that whoever was told 202 has an account in the end."""
    ledger = deployment.traffic.ledger
    stranded = ledger.acknowledged.keys() - ledger.created.keys()
    return [f"{len(stranded)} never got to their account"] if stranded else []


def _usual_seconds(seen: list[Seen], step: str) -> float:
    succeeded = (each for each in seen if each.step == step and each.status == AS_PROMISED[step])
    times = [each.seconds for each in succeeded]
    return median(times) if times else 0.0


def _of_the_fault(say: Callable[[list[Seen]], Iterable[str]]) -> Demand:
    async def demand(deployment: Deployment) -> list[str]:
        ledger = deployment.traffic.ledger
        return list(say(ledger.during(deployment.struck, deployment.healed)))

    return demand
