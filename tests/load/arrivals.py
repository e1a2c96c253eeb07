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
    """Each with the moment at which it arrived, on time.perf_counter; so many a second.

    That is when it was due, unless this loop's timer was only a little late.

    A Poisson process: arrivals that know nothing of each other.
    """
    chance = random.Random(rate)
    due = time.perf_counter()
    for thing in things:
        due += chance.expovariate(rate)
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        now = time.perf_counter()
        yield thing, now if now - due < TIMER_SECONDS else due
