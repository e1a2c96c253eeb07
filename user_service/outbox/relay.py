"""Producing what the outbox holds: claim → produce → acknowledge, in order and at least once."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from shared import events
from shared.kafka import KafkaConnection, KafkaUnavailable, Producer
from user_service.errors import Unavailable
from user_service.outbox import outbox_store
from user_service.outbox.outbox_store import StoredEvent
from user_service.storage.postgres import Database

BATCH = 500
IDLE_SECONDS = 0.1
RETRY_SECONDS = 1.0
PASSED_OVER_SECONDS = 10.0

log = structlog.get_logger()


class RelayMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.relayed = Counter(
            "gatepost_events_relayed", "Events that Kafka has acknowledged.", registry=registry
        )
        self.oldest: datetime | None = None
        age = Gauge(
            "gatepost_outbox_oldest_seconds",
            "Age of the oldest event that waits for Kafka, whoever is to relay it.",
            registry=registry,
        )
        # Asked when somebody looks: a batch may wait for a whole outage.
        age.set_function(self._age)

    def _age(self) -> float:
        return (datetime.now(UTC) - self.oldest).total_seconds() if self.oldest else 0.0


@dataclass(frozen=True, slots=True)
class Relay:
    """`producer` must wait for ever: a message given up would be overtaken by its successors."""

    db: Database
    producer: Producer
    kafka: KafkaConnection
    metrics: RelayMetrics
    _refused: dict[str, float] = field(default_factory=dict)
    """Topics that Kafka takes nothing for, and when they are tried again."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Relay until `stopping` is set and its batch is done.

        What was produced but not acknowledged in the outbox is produced again.
        """
        while not stopping.is_set():
            try:
                produced = await self._batch() if await self._anything() else 0
                await asyncio.sleep(0 if produced == BATCH else IDLE_SECONDS)
            except (Unavailable, KafkaUnavailable) as error:
                log.warning("relay_waits", reason=repr(error.__cause__ or error))
                await asyncio.sleep(RETRY_SECONDS)

    async def _anything(self) -> bool:
        async with self.db.connection() as connection:
            waiting = await outbox_store.waiting(connection)
        self.metrics.oldest = waiting.since
        return waiting.anything

    async def _batch(self) -> int:
        async with self.db.transaction() as tx:
            if not await outbox_store.claim(tx):
                return 0
            pending = await outbox_store.pending(tx, BATCH, apart_from=self._passed_over())
            # Enqueued in order; the producer keeps the order of a key through every retry.
            outcomes = await asyncio.gather(
                *[self._enqueue(event) for event in pending], return_exceptions=True
            )
            results = list(zip(pending, outcomes, strict=True))
            taken = [event for event, failure in results if not failure]
            if taken:
                await outbox_store.acknowledge(tx, [event.id for event in taken])
        self.metrics.relayed.inc(sum(not event.decoy for event in taken))
        # Raised only after the commit: what Kafka refuses must not hold up all others.
        failed = [(event.topic, failure) for event, failure in results if failure]
        for topic, failure in failed:
            self._pass_over(topic, failure)
        if failed:
            raise failed[0][1]
        return len(pending)

    def _pass_over(self, topic: str, failure: BaseException) -> None:
        """Or enough of one topic that is missing or forbidden would be all that a batch holds."""
        if isinstance(failure, KafkaUnavailable) and failure.certain:
            self._refused[topic] = time.monotonic() + PASSED_OVER_SECONDS

    def _passed_over(self) -> list[str]:
        return [topic for topic, until in self._refused.items() if until > time.monotonic()]

    def _enqueue(self, event: StoredEvent) -> asyncio.Future[None]:
        return _done() if event.decoy else hand_over(event, self.producer, self.kafka)


def hand_over(
    event: StoredEvent, producer: Producer, kafka: KafkaConnection
) -> asyncio.Future[None]:
    """Enqueue an event as it was when it happened, and return its acknowledgement."""
    return producer.enqueue(
        kafka.topic_prefix + event.topic,
        event.key,
        event.payload.encode(),
        events.headers(str(event.event_id), event.topic, event.created_at),
    )


def _done() -> asyncio.Future[None]:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    done.set_result(None)
    return done
