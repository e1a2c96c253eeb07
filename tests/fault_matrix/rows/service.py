"""One of the services dies, stands still, is restarted, or is asked for more than it can do."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from dev_stack import process_tree
from tests.fault_matrix.demands import unanswered
from tests.fault_matrix.deployment import Deployment
from tests.fault_matrix.ledger import AS_PROMISED
from tests.fault_matrix.row import Row
from tests.fault_matrix.rows.steps import (
    SUPERVISOR_SECONDS,
    TIMES,
    PartName,
    kill_again_and_again,
    nothing,
    restart_in_turn,
    terminate_while_hung,
    thaw_and_start,
)

TWO = ("service", "service-2", "worker", "email")
EVERYTHING = frozenset(AS_PROMISED)
NOBODY_LISTENS = "nobody listens"


async def nobody_refused(deployment: Deployment) -> list[str]:
    """The other service has room for everybody."""
    seen = [each for each in deployment.traffic.ledger.seen if each.status == 503]
    return [f"{len(seen)} refused, as {seen[:1]}"] if seen else []


async def kill_worker_children(deployment: Deployment) -> None:
    """`kill -9` one of the two server processes below the service's own, which starts another."""
    for _ in range(TIMES):
        before = _workers(deployment)
        os.kill(before[0], signal.SIGKILL)
        await asyncio.sleep(SUPERVISOR_SECONDS)


async def both_workers_serve(deployment: Deployment) -> list[str]:
    count = len(_workers(deployment))
    return [] if count == 2 else [f"{count} server processes, not 2"]


def _workers(deployment: Deployment) -> list[int]:
    """The server processes; the one that keeps track of shared memory is none of them."""
    below = process_tree.descendants(deployment.processes["service"].pid)
    return [pid for pid in below if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


async def freeze(deployment: Deployment) -> None:
    deployment.freeze("service")


async def thaw(deployment: Deployment) -> None:
    deployment.thaw("service")


async def in_flight_answered(deployment: Deployment) -> list[str]:
    """Whoever had been let in was answered before the service ended."""
    dropped = [
        each for each in deployment.traffic.ledger.unanswered() if each.said != NOBODY_LISTENS
    ]
    return [f"{len(dropped)} requests dropped, as {dropped[:1]}"] if dropped else []


def terminated_while(part: PartName) -> Row:
    return Row(
        "service",
        f"SIGTERM while {part.capitalize()} hangs",
        terminate_while_hung(part, "service"),
        thaw_and_start(part, "service"),
        unanswered=True,
        lasts=0,
        batches=int(part == "postgres"),
        least_refused=5,
        demands=(in_flight_answered,),
    )


ROWS = (
    Row(
        "service",
        "one of two, kill -9",
        kill_again_and_again("service"),
        nothing,
        processes=TWO,
        unanswered=True,
        lasts=0,
        demands=(nobody_refused, unanswered(least=1, most=10 * TIMES)),
    ),
    Row(
        "service",
        "one of its two server processes, kill -9",
        kill_worker_children,
        nothing,
        settings={"WORKERS": "2"},
        unanswered=True,
        lasts=0,
        demands=(nobody_refused, unanswered(least=1, most=10 * TIMES)),
        demands_before=(both_workers_serve,),
    ),
    Row(
        "service",
        "one of two stands still (SIGSTOP)",
        freeze,
        thaw,
        processes=TWO,
        unanswered=True,
        answer_within=3.0,
        demands=(unanswered(least=20, most=10_000),),
    ),
    Row(
        "service",
        "rolling restart of two (SIGTERM)",
        restart_in_turn("service", "service-2"),
        nothing,
        processes=TWO,
        unharmed=EVERYTHING,
        lasts=0,
    ),
    terminated_while("kafka"),
    terminated_while("redis"),
    terminated_while("postgres"),
)
