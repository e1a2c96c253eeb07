"""Deleting what nobody needs any more: old events, sessions, audit entries and the like."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import structlog

from user_service.audit import audit_store
from user_service.errors import Unavailable
from user_service.identity import deleted_account_store, session_store
from user_service.lifecycle import applied_store
from user_service.outbox import outbox_store
from user_service.storage.postgres import Connection, Database

SWEEP_SECONDS = 3600
RETRY_SECONDS = 5
BATCH = 1000
REST_SECONDS = 0.1

# Deletes up to so many rows, and returns how many. By their place (ctid): to join them by a key
# Postgres may read the whole table again for each batch.
Sweep = Callable[[Connection, int], Awaitable[int]]

log = structlog.get_logger()


async def keep_sweeping(db: Database, *, audit_days: int) -> None:
    """Sweep now and every hour."""
    sweeps: tuple[Sweep, ...] = (
        outbox_store.sweep,
        session_store.sweep,
        deleted_account_store.sweep,
        applied_store.sweep,
        partial(audit_store.sweep, kept=timedelta(days=audit_days)),
    )
    while True:
        pause = SWEEP_SECONDS
        try:
            for sweep in sweeps:
                await exhaust(db, sweep)
        except Unavailable:
            log.warning("sweep_postponed")
            pause = RETRY_SECONDS
        await asyncio.sleep(pause)


async def exhaust(db: Database, sweep: Sweep) -> None:
    """Sweep in small batches until nothing is overdue; raises Unavailable.

    Between two batches it rests for as long as the first one took, and at least REST_SECONDS:
    among millions of overdue rows Postgres and its disk keep their time for those who wait for an
    answer, and thousands of logins a second leave no more than that removes.
    """
    swept = BATCH
    while swept == BATCH:
        began = time.monotonic()
        async with db.connection() as connection:
            swept = await sweep(connection, BATCH)
        await asyncio.sleep(max(REST_SECONDS, time.monotonic() - began))
