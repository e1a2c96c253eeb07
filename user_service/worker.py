"""The worker daemon: relays the outbox and sweeps what has had its day."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import structlog
from prometheus_client import CollectorRegistry

from shared.kafka import Producer
from shared.probe import Probe
from shared.stopping import stop_on_signals
from user_service.errors import Unavailable
from user_service.identity import session_store
from user_service.outbox import outbox_store
from user_service.outbox.relay import Relay, RelayMetrics
from user_service.settings import Settings
from user_service.storage.postgres import Database

SWEEP_SECONDS = 3600
SWEEP_BATCH = 5000
DRAIN_SECONDS = 5.0

log = structlog.get_logger()


async def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT; raises whatever else ends the work."""
    async with AsyncExitStack() as stack:
        db = Database(settings.database)
        await db.open()
        stack.push_async_callback(db.close)
        producer = Producer(settings.kafka, timeout=None)
        producer.start()
        # The last batch has had its time by then: what Kafka took later nobody would acknowledge.
        stack.push_async_callback(producer.close, 0)
        registry = CollectorRegistry()
        relay = Relay(db, producer, settings.kafka, RelayMetrics(registry))
        probe = _probe(settings, db, producer, registry)
        await stack.enter_async_context(
            probe.serve(settings.worker_probe_host, settings.worker_probe_port)
        )
        await _until_stopped(relay, db)
    log.info("worker_stopped")


async def _until_stopped(relay: Relay, db: Database) -> None:
    stopping = stop_on_signals()
    asked = asyncio.create_task(stopping.wait())
    relaying = asyncio.create_task(relay.run(stopping))
    sweeping = asyncio.create_task(_sweep(db))
    log.info("worker_started")
    # Neither ends by itself: a worker that only seemed to work would be worse than none.
    await asyncio.wait({asked, relaying, sweeping}, return_when=asyncio.FIRST_COMPLETED)
    # A batch that Kafka has taken is acknowledged in the outbox, or it would be produced again.
    await asyncio.wait({relaying}, timeout=DRAIN_SECONDS)
    tasks = (asked, relaying, sweeping)
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


async def _sweep(db: Database) -> None:
    while True:
        try:
            async with db.connection() as connection:
                # In batches, so that no sweep outlasts the time limit of a statement.
                for sweep in (outbox_store.sweep, session_store.sweep):
                    while await sweep(connection, SWEEP_BATCH) == SWEEP_BATCH:
                        pass
        except Unavailable:
            log.warning("sweep_postponed")
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
