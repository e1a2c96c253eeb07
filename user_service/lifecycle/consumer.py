"""The way of one message from another service: ours to heed?, read, apply, or a dead letter."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import count

import structlog
from prometheus_client import CollectorRegistry, Counter

from shared.backoff import backoff
from shared.dead_letters.writing import DeadEnd, bury
from shared.events import SOURCE
from shared.kafka import Message, Producer
from user_service.errors import Unavailable
from user_service.lifecycle.flow import Lifecycle
from user_service.lifecycle.foreign_events import ForeignEvent, attribute, read_event

GROUP = "user-service-lifecycle"
LONGEST_RETRY_SECONDS = 5.0

log = structlog.get_logger()


class Lanes:
    """Events of one user pass one after the other, in the order in which they came.

    As many users at a time as there are lanes: they must not take the relay's connections.
    """

    def __init__(self, number: int) -> None:
        self._lanes = [asyncio.Lock() for _ in range(number)]

    def of(self, event: ForeignEvent) -> asyncio.Lock:
        return self._lanes[event.user_id.int % len(self._lanes)]


class LifecycleMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.events = Counter(
            "gatepost_foreign_events",
            "Events of other services, by what became of them.",
            ["outcome"],
            registry=registry,
        )


@dataclass(frozen=True, slots=True)
class Intake:
    lifecycle: Lifecycle
    sources: frozenset[str]
    producer: Producer
    lanes: Lanes
    metrics: LifecycleMetrics

    async def handle(self, message: Message) -> None:
        """Return when the message is decided: applied, skipped, or held by the dead letters."""
        try:
            outcome = await self._decide(message)
        except DeadEnd as end:
            outcome = await self._bury(message, end)
        except Exception as error:
            # A fault of ours must neither lose the message nor bring the worker down for good.
            log.exception("event_failed")
            outcome = await self._bury(message, DeadEnd("failed", type(error).__name__))
        self.metrics.events.labels(outcome).inc()

    async def _decide(self, message: Message) -> str:
        source = attribute(message, "ce_source")
        if source not in self.sources:
            # What we have sent ourselves comes by as well.
            if source != SOURCE:
                log.info("event_skipped", topic=message.topic, source=source)
            return "skipped"
        event = read_event(message)
        lane = self.lanes.of(event)
        with message.assignment.waiting():
            await lane.acquire()
        try:
            outcome = await self._apply(message, event)
        finally:
            lane.release()
        log.info(
            "event_applied" if outcome == "applied" else "event_left",
            topic=message.topic,
            source=source,
            event_id=event.id,
            user_id=str(event.user_id),
            outcome=outcome,
        )
        return outcome

    async def _apply(self, message: Message, event: ForeignEvent) -> str:
        """Wait for Postgres as long as it takes: an outage of ours makes no dead letter."""
        for attempt in count(1):
            try:
                return await self.lifecycle.apply(event)
            except Unavailable as error:
                log.warning("event_waits", reason=repr(error.__cause__ or error))
                with message.assignment.waiting():
                    await asyncio.sleep(backoff(attempt, LONGEST_RETRY_SECONDS))
        raise AssertionError

    async def _bury(self, message: Message, end: DeadEnd) -> str:
        await bury(self.producer, message, end)
        return "dead"
