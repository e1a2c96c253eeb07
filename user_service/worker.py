"""The worker daemon: relays the outbox and sweeps what has had its day."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable

import structlog
from prometheus_client import CollectorRegistry

from shared.kafka import Producer
from shared.probe import Probe
from user_service.errors import Unavailable
from user_service.identity import session_store
from user_service.outbox import outbox_store
from user_service.outbox.relay import Relay, RelayMetrics
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
    registry = CollectorRegistry()
    relay = Relay(db, producer, settings.kafka, RelayMetrics(registry))
    probe = _probe(settings, db, producer, registry)
    async with probe.serve(settings.worker_probe_host, settings.worker_probe_port):
        await _until_stopped(relay, db)
    # Its batch has had its time already: whatever Kafka takes now nobody would acknowledge.
    if left := await producer.close(0):
        log.warning("left_in_outbox", messages=left)
    await db.close()
    log.info("worker_stopped")


async def _until_stopped(relay: Relay, db: Database) -> None:
    stopping = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stopping.set)
    relaying = asyncio.create_task(relay.run(stopping))
    sweeping = asyncio.create_task(_sweep(db))
    log.info("worker_started")
    await stopping.wait()
    sweeping.cancel()
    # A batch that Kafka has taken is acknowledged in the outbox, or it would be produced again.
    await asyncio.wait({relaying}, timeout=DRAIN_SECONDS)
    relaying.cancel()
    await asyncio.gather(relaying, sweeping, return_exceptions=True)


async def _sweep(db: Database) -> None:
    while True:
        try:
            async with db.connection() as tx:
                await outbox_store.sweep(tx)
                await session_store.sweep(tx)
        except Unavailable:
            log.info("sweep_postponed")
        await asyncio.sleep(SWEEP_SECONDS)


def _probe(
    settings: Settings, db: Database, producer: Producer, registry: CollectorRegistry
) -> Probe:
    def check(ping: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[str | None]]:
        async def answer() -> str | None:
            await ping()
            return None

        return answer

    return Probe(
        parts={"postgres": check(db.ping), "kafka": check(producer.ping)},
        needed=frozenset({"postgres", "kafka"}),
        registry=registry,
        metrics_token=settings.metrics_token,
        development=settings.development,
    )
