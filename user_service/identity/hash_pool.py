"""Argon2 in a bounded pool: more hashes at once than cores make all of them slower."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from user_service.errors import Overloaded

QUEUE_SECONDS = 1.0
# Hashing yields to the event loop, or a profile's answer waits behind every login.
NICENESS = 5
LEAST_PRIORITY = 19

T = TypeVar("T")


class HashPool:
    """`threads` workers and a queue of `most_waiting`; a full queue is refused at once.

    A registration or reset may hold half of the queue, so that a flood of them leaves room for
    people who log in.
    """

    def __init__(self, threads: int, most_waiting: int) -> None:
        self.threads = threads
        self._most = threads + most_waiting
        self._most_yielding = threads + most_waiting // 2
        self._held = 0
        self._executor = ThreadPoolExecutor(threads, "argon2", initializer=_be_nice)

    @property
    def busy(self) -> bool:
        """Whether a hash that could wait for another day should."""
        return self._held >= self.threads

    def require_room(self, *, yielding: bool = False) -> None:
        """Raise Overloaded where `run` would at once."""
        if self._held >= (self._most_yielding if yielding else self._most):
            raise Overloaded("hash queue")

    async def run(self, work: Callable[[], T], *, yielding: bool = False) -> T:
        """The result of `work`; raises Overloaded when it could not start within a second."""
        self.require_room(yielding=yielding)
        loop = asyncio.get_running_loop()
        hashing = self._executor.submit(work)
        self._held += 1
        # A slot is free when its hash has ended, not when its caller has gone.
        hashing.add_done_callback(lambda _: loop.call_soon_threadsafe(self._release))
        hashed = asyncio.wrap_future(hashing)
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                return await asyncio.shield(hashed)
        except TimeoutError:
            if hashing.cancel():
                raise Overloaded("hash queue") from None
            return await hashed
        except asyncio.CancelledError:
            hashing.cancel()
            raise

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _release(self) -> None:
        self._held -= 1


def _be_nice() -> None:
    # On Linux a niceness belongs to the thread, not to its process. Relative, for the service may
    # be nice already; and never worth a hash, for an initializer that fails breaks the whole pool.
    with suppress(OSError):
        thread = threading.get_native_id()
        niceness = os.getpriority(os.PRIO_PROCESS, thread) + NICENESS
        os.setpriority(os.PRIO_PROCESS, thread, min(niceness, LEAST_PRIORITY))
