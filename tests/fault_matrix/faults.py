"""What befalls a part or a wire, as steps of a row."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.fault_matrix.deployment import Deployment, WireName
from tests.fault_matrix.row import Row, Step
from tests.proxy import Proxy
from tests.report import Size
from tests.wired_parts import PartName

# How often a row of the wanted size repeats what it does.
TIMES = Size.wanted().pick(3, 10)
# People a second where processes start beside them: each start takes a core for a second or two.
CALM = 8.0
# After so long a supervisor starts what has ended.
SUPERVISOR_SECONDS = 1.0


def kill(name: PartName) -> Step:
    async def step(deployment: Deployment) -> None:
        await asyncio.to_thread(deployment.part(name).kill)

    return step


def start(name: PartName) -> Step:
    async def step(deployment: Deployment) -> None:
        await asyncio.to_thread(deployment.part(name).start)

    return step


def freeze(name: PartName) -> Step:
    async def step(deployment: Deployment) -> None:
        deployment.part(name).freeze()

    return step


def thaw(name: PartName) -> Step:
    async def step(deployment: Deployment) -> None:
        deployment.part(name).thaw()

    return step


def wire(name: WireName, act: Callable[[Proxy], None]) -> Step:
    """Do something to the wire before a part."""

    async def step(deployment: Deployment) -> None:
        act(deployment.wire(name))

    return step


def refuse(name: WireName) -> Step:
    return wire(name, Proxy.refuse)


def let_pass(name: WireName) -> Step:
    return wire(name, Proxy.let_pass)


def gone(
    victim: str, part: PartName, *, hangs_for: float | None = None, **noticed: Any
) -> tuple[Row, ...]:
    """The rows of a part that refuses connections, answers nothing or dies, noticed alike.

    `noticed` is what a Row takes besides; `hangs_for` are the seconds of the longest silence.
    """
    hangs = Row(
        victim,
        f"hangs (SIGSTOP) for {hangs_for:.0f} s" if hangs_for else "hangs (SIGSTOP)",
        freeze(part),
        thaw(part),
        lasts=hangs_for,
        principal=True,
        **noticed,
    )
    return (
        Row(victim, "connections refused", refuse(part), let_pass(part), **noticed),
        Row(victim, "a black hole", wire(part, Proxy.blackhole), let_pass(part), **noticed),
        hangs,
        Row(victim, "kill -9, started again", kill(part), start(part), **noticed),
    )


def reset_again_and_again(name: WireName) -> Step:
    """Reset all connections to a part, twice a second."""

    async def step(deployment: Deployment) -> None:
        for _ in range(2 * TIMES):
            if not deployment.wire(name).connections:
                raise RuntimeError(f"nobody is connected to {name}")
            deployment.wire(name).reset()
            await asyncio.sleep(0.5)

    return step


def kill_again_and_again(process: str) -> Step:
    """`kill -9` a process and start it again, as a supervisor would."""

    async def step(deployment: Deployment) -> None:
        for _ in range(TIMES):
            await deployment.kill(process)
            await asyncio.sleep(SUPERVISOR_SECONDS)
            await deployment.begin(process)

    return step


def restart_in_turn(*processes: str) -> Step:
    """SIGTERM and start one process after the other."""

    async def step(deployment: Deployment) -> None:
        for _ in range(TIMES):
            for process in processes:
                await deployment.terminate(process)
                await deployment.begin(process)
                await asyncio.sleep(0.5)

    return step


def terminate_while_hung(part: PartName, *processes: str) -> Step:
    """SIGTERM processes, or all, that wait for a part which does not answer."""

    async def step(deployment: Deployment) -> None:
        deployment.part(part).freeze()
        await asyncio.sleep(1.5)
        await deployment.terminate(*processes)

    return step


def thaw_and_start(part: PartName, *processes: str) -> Step:
    async def step(deployment: Deployment) -> None:
        deployment.part(part).thaw()
        await asyncio.gather(*map(deployment.begin, processes or deployment.processes))

    return step
