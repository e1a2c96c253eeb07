"""The worker daemon: relays the outbox, follows other services and Clerk, sweeps, rotates keys."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial

import structlog
from prometheus_client import CollectorRegistry

from shared.kafka import Consumer, Producer, consume_until
from shared.probe import Probe
from shared.stopping import stop_on_signals
from shared.topics import CLERK_WEBHOOK, FOREIGN
from user_service.clerk import messages
from user_service.clerk.following import Following
from user_service.identity.master_key import MasterKey
from user_service.identity.upkeep import keep_rotating
from user_service.incoming.handler import IncomingMetrics, KeyedLocks, MessageHandler
from user_service.lifecycle import foreign_events
from user_service.lifecycle.flow import Lifecycle
from user_service.outbox.relay import Relay, RelayMetrics
from user_service.settings import Settings
from user_service.storage.postgres import Database
from user_service.sweeping import keep_sweeping

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
        consumers = _consumers(settings, db, registry, stack)
        probe = _probe(settings, db, producer, registry)
        await stack.enter_async_context(
            probe.serve(settings.worker_probe_host, settings.worker_probe_port)
        )
        farewell = await _until_stopped(relay, consumers, *_chores(settings, db))
    log.info("worker_stopped")
    if not farewell:
        # The thread that still waits for hung brokers would hold every further step.
        os._exit(0)


def _consumers(
    settings: Settings, db: Database, registry: CollectorRegistry, stack: AsyncExitStack
) -> list[Consumer]:
    """Of other services' events and of Clerk's messages, where there are any."""
    if not settings.lifecycle_sources and not settings.clerk.webhook_keys:
        return []
    # A dead letter is given up and tried again, where the relay's events wait for ever.
    producer = Producer(settings.kafka)
    producer.start()
    stack.push_async_callback(producer.close, 1.0)
    handler = partial(
        MessageHandler,
        producer=producer,
        metrics=IncomingMetrics(registry),
    )
    # Each of the two has locks of its own: neither waits for what the other cannot decide.
    at_once = max(1, settings.database.pool_size // 3)
    consumers = []
    if settings.lifecycle_sources:
        read = partial(foreign_events.read_event, sources=frozenset(settings.lifecycle_sources))
        lifecycle = handler(
            read, foreign_events.subject_of, Lifecycle(db).apply, locks=KeyedLocks(at_once)
        )
        consumers.append(
            Consumer(
                settings.kafka, group=foreign_events.GROUP, topics=FOREIGN, handle=lifecycle.handle
            )
        )
    if settings.clerk.webhook_keys:
        clerk = handler(
            messages.read_message,
            messages.subject_of,
            Following(db).apply,
            locks=KeyedLocks(at_once),
        )
        consumers.append(
            Consumer(
                settings.kafka, group=messages.GROUP, topics=[CLERK_WEBHOOK], handle=clerk.handle
            )
        )
    return consumers


async def _until_stopped(relay: Relay, consumers: list[Consumer], *chores: Awaitable[None]) -> bool:
    """Whether all consumers could leave their groups in good order."""
    stopping = stop_on_signals()
    relaying = asyncio.create_task(relay.run(stopping))
    consuming = [asyncio.create_task(consume_until(stopping, each)) for each in consumers]
    asked = asyncio.create_task(stopping.wait())
    tasks = {asked, relaying, *consuming, *map(asyncio.ensure_future, chores)}
    log.info("worker_started")
    # None ends by itself: a worker that only seemed to work would be worse than none.
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    stopping.set()
    # A batch that Kafka has taken is acknowledged in the outbox, or it would be produced again.
    await asyncio.wait({relaying}, timeout=DRAIN_SECONDS)
    for task in tasks.difference(consuming):
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome
    return all(task.result() for task in consuming)


def _chores(settings: Settings, db: Database) -> Iterator[Awaitable[None]]:
    yield keep_sweeping(db, audit_days=settings.audit_days)
    if settings.clerk.webhook_keys:
        yield Following(db).retry_contested()
    if not settings.jwt_secret:
        lifetime = timedelta(days=settings.signing_key_days)
        yield keep_rotating(db, MasterKey(settings.master_key), lifetime)


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
