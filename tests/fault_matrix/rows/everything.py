"""The storm: again and again something random befalls somebody random."""

from __future__ import annotations

import asyncio
import os
import random
import time
from dataclasses import dataclass

from dev_stack.mail_stand_in import Fault
from dev_stack.part import Part
from tests.fault_matrix.deployment import IN_FLIGHT, Deployment, Strike
from tests.fault_matrix.row import ALL_PROCESSES, Row, Step
from tests.fault_matrix.steps import all_arrive, nothing
from tests.proxy import Proxy
from tests.report import Size

SIZE = Size.wanted()
SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**6))
EVERY_SECONDS = SIZE.pick(4.0, 20.0)
STRIKES = SIZE.pick(10, 90)
HURT_SECONDS = SIZE.pick(2.0, 8.0)


@dataclass(frozen=True)
class Blow:
    """`at_risk` is how many mails it may double."""

    what: str
    begin: Step
    end: Step
    at_risk: int = 0


def _kill_part(name: str) -> Blow:
    async def begin(deployment: Deployment) -> None:
        await asyncio.to_thread(_part(deployment, name).kill)

    async def end(deployment: Deployment) -> None:
        await asyncio.to_thread(_part(deployment, name).start)

    return Blow(f"{name}: kill -9", begin, end)


def _freeze_part(name: str) -> Blow:
    async def begin(deployment: Deployment) -> None:
        _part(deployment, name).freeze()

    async def end(deployment: Deployment) -> None:
        _part(deployment, name).thaw()

    # A frozen email worker that outlasts its session, or a frozen Kafka that forgets all of them.
    at_risk = IN_FLIGHT if name.startswith(("email", "kafka")) else 0
    return Blow(f"{name}: SIGSTOP", begin, end, at_risk)


def _kill_process(name: str) -> Blow:
    async def begin(deployment: Deployment) -> None:
        await deployment.kill(name)

    async def end(deployment: Deployment) -> None:
        await deployment.begin(name)

    return Blow(f"{name}: kill -9", begin, end)


def _terminate(name: str) -> Blow:
    async def begin(deployment: Deployment) -> None:
        await deployment.terminate(name)

    async def end(deployment: Deployment) -> None:
        await deployment.begin(name)

    return Blow(f"{name}: SIGTERM", begin, end)


def _wire(name: str, how: str) -> Blow:
    async def begin(deployment: Deployment) -> None:
        getattr(_proxy(deployment, name), how)()

    async def end(deployment: Deployment) -> None:
        _proxy(deployment, name).let_pass()

    # What SendGrid had accepted when the connection broke, or what a black hole let go again.
    at_risk = 2 * IN_FLIGHT if name == "sendgrid" else 0
    return Blow(f"{name}: {how}", begin, end, at_risk)


def _sendgrid(what: str, fault: Fault) -> Blow:
    async def begin(deployment: Deployment) -> None:
        deployment.sendgrid.faults.add(fault)

    async def end(deployment: Deployment) -> None:
        deployment.sendgrid.faults.clear()

    return Blow(f"sendgrid: {what}", begin, end)


def _part(deployment: Deployment, name: str) -> Part:
    parts = {
        "postgres": deployment.postgres,
        "redis": deployment.redis,
        "kafka": deployment.kafka,
    }
    return parts.get(name) or deployment.processes[name]


def _proxy(deployment: Deployment, name: str) -> Proxy:
    proxy: Proxy = getattr(deployment, f"{name}_wire")
    return proxy


PROCESSES = (*ALL_PROCESSES, "service-2", "email-2")
PARTS = ("kafka", "redis", "postgres")
# A victim first, then what befalls it: so that each is hit alike often.
BLOWS: dict[str, tuple[Blow, ...]] = {
    **{name: (_kill_process(name), _freeze_part(name), _terminate(name)) for name in PROCESSES},
    **{
        name: (
            _kill_part(name),
            _freeze_part(name),
            _wire(name, "refuse"),
            _wire(name, "reset"),
            _wire(name, "blackhole"),
        )
        for name in PARTS
    },
    "sendgrid": (
        _wire("sendgrid", "refuse"),
        _wire("sendgrid", "reset"),
        _wire("sendgrid", "blackhole"),
        _sendgrid("503", Fault(status=503)),
        _sendgrid("429", Fault(status=429, reset_in=2)),
        _sendgrid("401", Fault(status=401)),
        _sendgrid("hangs", Fault(hang=True)),
    ),
}


async def storm(deployment: Deployment) -> None:
    """What is random is the order, and it can be had again with the same SEED."""
    dice = random.Random(SEED)
    print(f"  the storm's SEED is {SEED}", flush=True)
    for number in range(STRIKES):
        due = time.monotonic() + EVERY_SECONDS
        blow = dice.choice(BLOWS[dice.choice(list(BLOWS))])
        deployment.strikes.append(Strike(time.monotonic(), blow.what))
        deployment.mails_at_risk += blow.at_risk
        print(f"  {number + 1}/{STRIKES} {blow.what}: {_so_far(deployment)}", flush=True)
        await blow.begin(deployment)
        await asyncio.sleep(HURT_SECONDS)
        await blow.end(deployment)
        await asyncio.sleep(max(0.0, due - time.monotonic()))


def _so_far(deployment: Deployment) -> str:
    ledger, mailbox = deployment.traffic.ledger, deployment.sendgrid.mailbox
    return f"{len(ledger.acknowledged)} acknowledged, {mailbox.distinct_event_ids} mailed"


ROWS = (
    Row(
        "everything",
        f"the storm, a strike every {EVERY_SECONDS:.0f} s",
        storm,
        nothing,
        processes=PROCESSES,
        lasts=0,
        unanswered=True,
        least_refused=1,
        longest_wait=2,
        mail_recovery=30,
        demands=(all_arrive,),
        plotted=True,
    ),
)
