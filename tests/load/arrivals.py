"""Requests that come whether or not the service has time."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

# The loop's timers are that coarse.
TIMER_SECONDS = 0.002

T = TypeVar("T")


async def arriving(things: Iterable[T], rate: float) -> AsyncIterator[tuple[T, float]]:
    """Each with the moment at which it was due, on time.perf_counter; so many a second.

    A Poisson process: arrivals that know nothing of each other.
    """
    chance = random.Random(rate)
    due = time.perf_counter()
    for thing in things:
        due += chance.expovariate(rate)
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        yield thing, due


def begun(due: float) -> float:
    """When its latency begins: now, unless it was kept waiting for longer than a timer is late."""
    now = time.perf_counter()
    return now if now - due < TIMER_SECONDS else due
