"""Steps that rows of several victims take, and what they demand in the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from tests.fault_matrix.deployment import Deployment
from tests.fault_matrix.row import Demand, Step

FLOWING_SECONDS = 30.0
SLICE = 25


async def nothing(_deployment: Deployment) -> None:
    """Only time passes, or the fault is over by itself."""


def terminated(*names: str) -> Step:
    async def terminate(deployment: Deployment) -> None:
        await deployment.terminate(*names)

    return terminate


def begun(*names: str) -> Step:
    async def begin(deployment: Deployment) -> None:
        await asyncio.gather(*(deployment.begin(name) for name in names))

    return begin


async def mail_flows(deployment: Deployment) -> None:
    """Wait for the next mail, if there is one."""
    mailbox = deployment.sendgrid.mailbox
    newest = next((mail.id for mail in mailbox.newest(limit=1)), None)
    try:
        await mailbox.wait_for(None, FLOWING_SECONDS, after=newest)
    except TimeoutError:
        return  # the ledger will tell


async def burst(deployment: Deployment, people: int) -> None:
    """So many register besides all others, a hundred a second."""
    for _ in range(people // SLICE):
        deployment.traffic.burst(SLICE)
        await asyncio.sleep(SLICE / 100)


async def holds(said: Callable[[], bool], seconds: float) -> bool:
    """Whether it comes true within `seconds`."""
    deadline = time.monotonic() + seconds
    while not said():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True


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
