"""What rows demand besides: a fault that nobody felt proves nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import median

from tests.fault_matrix.deployment import Deployment
from tests.fault_matrix.ledger import AS_PROMISED, Seen
from tests.fault_matrix.row import Demand


def refused(*steps: str, least: int = 10) -> Demand:
    """So many of each of these steps were answered 503 while the fault lasted."""

    def say(seen: list[Seen]) -> Iterable[str]:
        for step in steps:
            times = sum(each.step == step and each.status == 503 for each in seen)
            if times < least:
                yield f"{step} was refused {times} times, where the fault should cost {least}"

    return _of_the_fault(say)


def slower(*steps: str, seconds: float) -> Demand:
    """Every other success of each of these steps took so long while the fault lasted."""

    def say(seen: list[Seen]) -> Iterable[str]:
        for step in steps:
            times = [each.seconds for each in seen if _succeeded(each, step)]
            usual = median(times) if times else 0.0
            if usual < seconds:
                yield f"{step} took {usual:.3f} s only: was the fault felt?"

    return _of_the_fault(say)


def unanswered(*, least: int, most: int) -> Demand:
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


def _succeeded(seen: Seen, step: str) -> bool:
    return seen.step == step and seen.status == AS_PROMISED[step]


def _of_the_fault(say: Callable[[list[Seen]], Iterable[str]]) -> Demand:
    async def demand(deployment: Deployment) -> list[str]:
        ledger = deployment.traffic.ledger
        return list(say(ledger.during(deployment.struck, deployment.healed)))

    return demand
