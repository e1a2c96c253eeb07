"""The storm: again and again something random befalls somebody random."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from dev_stack.mail_stand_in import Fault
from tests.fault_matrix.demands import all_arrive
from tests.fault_matrix.deployment import IN_FLIGHT, Deployment, Strike, WireName
from tests.fault_matrix.faults import freeze, kill, let_pass, start, thaw, wire
from tests.fault_matrix.row import PATIENT_SECONDS, Row, Step
from tests.fault_matrix.steps import begun, frozen, killed, nothing, terminated, thawed
from tests.proxy import Proxy
from tests.report import Size
from tests.wired_parts import PartName

SIZE = Size.wanted()
SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**6))
EVERY_SECONDS = SIZE.pick(4.0, 20.0)
STRIKES = int(os.environ.get("STRIKES") or SIZE.pick(10, 90))
HURT_SECONDS = SIZE.pick(2.0, 8.0)
# Without one of them, what the relay has produced may be one that it cannot acknowledge.
RELAYING = frozenset({"worker", "kafka", "postgres"})
STANDS_STILL = "SIGSTOP"
SERVICES = ("service", "service-2")


@dataclass(frozen=True)
class Blow:
    """`mails` and `batches` of the relay are how many it may double."""

    what: str
    begin: Step
    end: Step
    mails: int = 0
    batches: int = 0


def _part(name: PartName) -> tuple[Blow, ...]:
    batches = int(name in RELAYING)
    # A frozen Kafka forgets all its members, and whatever they had in flight is given out again.
    given_again = IN_FLIGHT if name == "kafka" else 0
    return (
        Blow(f"{name}: kill -9", kill(name), start(name), batches=batches),
        Blow(f"{name}: {STANDS_STILL}", freeze(name), thaw(name), given_again, batches),
        *(_wire(name, how, batches=batches) for how in WIRES),
    )


def _process(name: str) -> tuple[Blow, ...]:
    batches = int(name in RELAYING)
    # A frozen email worker outlasts its session; what a killed one may double is counted anyway.
    given_again = IN_FLIGHT if name.startswith("email") else 0
    return (
        Blow(f"{name}: kill -9", killed(name), begun(name)),
        Blow(f"{name}: {STANDS_STILL}", frozen(name), thawed(name), given_again, batches),
        Blow(f"{name}: SIGTERM", terminated(name), begun(name)),
    )


def _wire(name: WireName, how: str, *, mails: int = 0, batches: int = 0) -> Blow:
    return Blow(f"{name}: {how}", wire(name, WIRES[how]), let_pass(name), mails, batches)


def _sendgrid(what: str, fault: Fault) -> Blow:
    async def begin(deployment: Deployment) -> None:
        deployment.sendgrid.faults.add(fault)

    async def end(deployment: Deployment) -> None:
        deployment.sendgrid.faults.clear()

    return Blow(f"sendgrid: {what}", begin, end)


WIRES: dict[str, Callable[[Proxy], None]] = {
    "refuse": Proxy.refuse,
    "reset": Proxy.reset,
    "blackhole": Proxy.blackhole,
}
PROCESSES = (*SERVICES, "worker", "email", "email-2")
PARTS: tuple[PartName, ...] = ("kafka", "redis", "postgres")
# A victim first, then what befalls it: so that each is hit alike often.
BLOWS: dict[str, tuple[Blow, ...]] = {
    **{name: _process(name) for name in PROCESSES},
    **{name: _part(name) for name in PARTS},
    "sendgrid": (
        # What SendGrid had accepted when the connection broke, or what a black hole let go again.
        *(_wire("sendgrid", how, mails=2 * IN_FLIGHT) for how in WIRES),
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
    due = time.monotonic()
    for number in range(STRIKES):
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        due = time.monotonic() + EVERY_SECONDS
        blow = dice.choice(BLOWS[dice.choice(list(BLOWS))])
        print(f"  {number + 1}/{STRIKES} {blow.what}: {_so_far(deployment)}", flush=True)
        deployment.strikes.append(await _dealt(blow, deployment))


async def _dealt(blow: Blow, deployment: Deployment) -> Strike:
    began = time.monotonic()
    deployment.mails_at_risk += blow.mails
    deployment.batches_at_risk += blow.batches
    await blow.begin(deployment)
    await asyncio.sleep(HURT_SECONDS)
    await blow.end(deployment)
    return Strike(began, time.monotonic(), blow.what)


async def only_who_stands_still_answers_nothing(deployment: Deployment) -> list[str]:
    """Whoever waited in vain had asked a service that stood still; all else is refused in time."""
    still = [
        strike
        for strike in deployment.strikes
        if strike.what in {f"{name}: {STANDS_STILL}" for name in SERVICES}
    ]
    in_vain = [
        seen
        for seen in deployment.traffic.ledger.unanswered()
        if seen.seconds >= PATIENT_SECONDS
        and not any(at - PATIENT_SECONDS <= seen.at <= ended for at, ended, _ in still)
    ]
    return [f"{len(in_vain)} waited in vain, as {in_vain[:1]}"] if in_vain else []


def _so_far(deployment: Deployment) -> str:
    ledger, mailbox = deployment.traffic.ledger, deployment.sendgrid.mailbox
    return f"{len(ledger.acknowledged)} acknowledged, {mailbox.distinct_event_ids} mailed"


ROWS = (
    Row(
        "everything",
        f"the storm, a strike every {EVERY_SECONDS:.0f} s, SEED={SEED}",
        storm,
        nothing,
        processes=PROCESSES,
        lasts=0,
        unanswered=True,
        # A service that stands still answers when it goes on.
        answer_within=PATIENT_SECONDS,
        least_refused=1,
        longest_wait=2,
        mail_recovery=30,
        demands=(all_arrive, only_who_stands_still_answers_nothing),
        plotted=True,
        principal=True,
    ),
)
