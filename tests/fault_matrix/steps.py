"""Steps that rows of several victims take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from tests.fault_matrix.deployment import Deployment
from tests.fault_matrix.row import Step

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


def killed(name: str) -> Step:
    async def kill(deployment: Deployment) -> None:
        await deployment.kill(name)

    return kill


def frozen(name: str) -> Step:
    async def freeze(deployment: Deployment) -> None:
        deployment.freeze(name)

    return freeze


def thawed(name: str) -> Step:
    async def thaw(deployment: Deployment) -> None:
        deployment.thaw(name)

    return thaw


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
