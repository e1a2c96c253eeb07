"""Producing what the outbox holds: claim → produce → acknowledge, in order and at least once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from shared import events
from shared.kafka import KafkaConnection, KafkaUnavailable, Producer
from user_service.errors import Unavailable
from user_service.outbox import outbox_store
from user_service.outbox.outbox_store import PendingEvent
from user_service.storage.postgres import Database

BATCH = 500
IDLE_SECONDS = 0.1
RETRY_SECONDS = 1.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Relay:
    """`producer` must wait for ever: a message given up would be overtaken by its successors."""

    db: Database
    producer: Producer
    kafka: KafkaConnection

    async def run(self) -> None:
        """Relay until cancelled. What was produced but not acknowledged is produced again."""
        while True:
            try:
                produced = await self._batch()
                await asyncio.sleep(0 if produced == BATCH else IDLE_SECONDS)
            except (Unavailable, KafkaUnavailable) as error:
                log.warning("relay_waits", reason=repr(error.__cause__ or error))
                await asyncio.sleep(RETRY_SECONDS)

    async def _batch(self) -> int:
        async with self.db.transaction() as tx:
            if not await outbox_store.claim(tx):
                return 0
            pending = await outbox_store.pending(tx, BATCH)
            if pending:
                # Enqueued in order; the producer keeps the order of a key through every retry.
                await asyncio.gather(*[self._enqueue(event) for event in pending])
                await outbox_store.acknowledge(tx, [event.id for event in pending])
        return len(pending)

    def _enqueue(self, event: PendingEvent) -> asyncio.Future[None]:
        return self.producer.enqueue(
            self.kafka.topic_prefix + event.topic,
            event.key,
            event.payload.encode(),
            events.headers(str(event.event_id), event.topic, event.created_at),
        )
