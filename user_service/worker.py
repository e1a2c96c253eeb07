"""The worker daemon: relays the outbox and sweeps what has had its day."""

from __future__ import annotations

import asyncio
import signal

import structlog

from shared.kafka import Producer
from user_service.errors import Unavailable
from user_service.outbox import outbox_store
from user_service.outbox.relay import Relay
from user_service.settings import Settings
from user_service.storage.postgres import Database

SWEEP_SECONDS = 3600
DRAIN_SECONDS = 5.0

log = structlog.get_logger()


async def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT."""
    db = Database(settings.database)
    await db.open()
    producer = Producer(settings.kafka, timeout=None)
    producer.start()
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    async with asyncio.TaskGroup() as tasks:
        work = [
            tasks.create_task(Relay(db, producer, settings.kafka).run()),
            tasks.create_task(_sweep(db)),
        ]
        log.info("worker_started")
        await stop.wait()
        for task in work:
            task.cancel()
    await producer.close(DRAIN_SECONDS)
    await db.close()
    log.info("worker_stopped")


async def _sweep(db: Database) -> None:
    while True:
        try:
            async with db.connection() as tx:
                await outbox_store.sweep(tx)
        except Unavailable:
            log.info("sweep_postponed")
        await asyncio.sleep(SWEEP_SECONDS)
