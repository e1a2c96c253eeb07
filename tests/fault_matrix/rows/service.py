"""One of the services dies, stands still, is restarted, or is asked for more than it can do."""

from __future__ import annotations

import os
import signal

from dev_stack import process_tree
from tests.fault_matrix.demands import in_flight_answered, unanswered
from tests.fault_matrix.deployment import Deployment
from tests.fault_matrix.faults import (
    CALM,
    TIMES,
    kill_again_and_again,
    restart_in_turn,
    terminate_while_hung,
    thaw_and_start,
)
from tests.fault_matrix.ledger import EVERYTHING
from tests.fault_matrix.row import PATIENT_SECONDS, Row
from tests.fault_matrix.steps import frozen, nothing, thawed
from tests.wired_parts import PartName

TWO = ("service", "service-2", "worker", "email")


async def nobody_refused(deployment: Deployment) -> list[str]:
    """The other service has room for everybody."""
    seen = [each for each in deployment.traffic.ledger.seen if each.status == 503]
    return [f"{len(seen)} refused, as {seen[:1]}"] if seen else []


async def other_half_answered(deployment: Deployment) -> list[str]:
    """They take turns, and nobody waits for the one that stands still for longer than for it."""
    asked = deployment.traffic.ledger.during(deployment.struck, deployment.healed)
    failed = sum(each.status == 0 for each in asked)
    return [] if failed < 0.6 * len(asked) else [f"{failed} of {len(asked)} were not answered"]


async def few_crossed(deployment: Deployment) -> list[str]:
    """At most one for each end: or requests that were let in would be dropped."""
    crossed = deployment.traffic.ledger.crossed
    return [f"{crossed} requests sent again"] if crossed > 2 * TIMES else []


async def kill_worker_child(deployment: Deployment) -> None:
    """One of the two server processes below the service's own, which starts another."""
    os.kill(_workers(deployment)[0], signal.SIGKILL)


async def both_workers_serve(deployment: Deployment) -> list[str]:
    count = len(_workers(deployment))
    return [] if count == 2 else [f"{count} server processes, not 2"]


def _workers(deployment: Deployment) -> list[int]:
    return process_tree.descendants(deployment.processes["service"].pid)


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
        rate=CALM,
        demands=(nobody_refused, unanswered(least=1, most=10 * TIMES)),
        principal=True,
    ),
    Row(
        "service",
        "one of its two server processes, kill -9",
        kill_worker_child,
        nothing,
        settings={"WORKERS": "2"},
        unanswered=True,
        rate=CALM,
        demands=(nobody_refused, unanswered(least=0, most=10)),
        demands_before=(both_workers_serve,),
    ),
    Row(
        "service",
        "one of two stands still (SIGSTOP)",
        frozen("service"),
        thawed("service"),
        processes=TWO,
        unanswered=True,
        answer_within=PATIENT_SECONDS,
        demands=(unanswered(least=20), other_half_answered),
    ),
    Row(
        "service",
        "rolling restart of two (SIGTERM)",
        restart_in_turn("service", "service-2"),
        nothing,
        processes=TWO,
        unharmed=EVERYTHING,
        lasts=0,
        rate=CALM,
        crosses=True,
        demands=(few_crossed,),
        principal=True,
    ),
    terminated_while("kafka"),
    terminated_while("redis"),
    terminated_while("postgres"),
)
