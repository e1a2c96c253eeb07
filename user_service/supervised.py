"""A server process does not outlive the supervisor that started it."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

LOOK_SECONDS = 1.0

log = structlog.get_logger()


@asynccontextmanager
async def supervised() -> AsyncIterator[None]:
    """Stop as SIGTERM does when the supervisor was killed.

    The orphan would answer on, beside or before whatever is started in its place.
    """
    # As it was told at the start: by now an orphan has another parent.
    supervisor = multiprocessing.parent_process()
    watch = asyncio.create_task(_end_with(supervisor.pid if supervisor else os.getppid()))
    try:
        yield
    finally:
        watch.cancel()


async def _end_with(supervisor: int | None) -> None:
    while os.getppid() == supervisor:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(LOOK_SECONDS)
    log.error("supervisor_gone")
    os.kill(os.getpid(), signal.SIGTERM)
