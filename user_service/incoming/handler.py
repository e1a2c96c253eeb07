"""The way of one message: ours to heed?, read, apply in its turn, or a dead letter."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count
from typing import Generic, TypeVar

import structlog
from prometheus_client import CollectorRegistry, Counter

from shared.backoff import backoff
from shared.dead_letters.writing import DeadEnd, bury
from shared.kafka import Message, Producer
from user_service.errors import Unavailable

LONGEST_RETRY_SECONDS = 5.0

log = structlog.get_logger()

E = TypeVar("E")


class KeyedLocks:
    """Events of one user pass one after the other, in the order in which they came.

    As many users at a time as there are locks: they must not take the relay's connections.
    """

    def __init__(self, number: int) -> None:
        self._locks = [asyncio.Lock() for _ in range(number)]

    def for_key(self, key: str) -> asyncio.Lock:
        return self._locks[hash(key) % len(self._locks)]


class IncomingMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.events = Counter(
            "gatepost_foreign_events",
            "Events of other services and of Clerk, by what became of them.",
            ["topic", "outcome"],
            registry=registry,
        )


@dataclass(frozen=True, slots=True)
class MessageHandler(Generic[E]):
    """`read` returns None for what is not ours to heed, and raises DeadEnd, as `apply` may.

    `subject` names the user that an event is about, `apply` returns what became of it.
    """

    read: Callable[[Message], E | None]
    subject: Callable[[E], str]
    apply: Callable[[E], Awaitable[str]]
    producer: Producer
    locks: KeyedLocks
    metrics: IncomingMetrics

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
        self.metrics.events.labels(message.topic, outcome).inc()

    async def _decide(self, message: Message) -> str:
        event = self.read(message)
        if event is None:
            return "skipped"
        subject = self.subject(event)
        async with message.holding(self.locks.for_key(subject)):
            outcome = await self._apply(message, event)
        log.info(
            "event_applied" if outcome == "applied" else "event_left",
            topic=message.topic,
            source=message.header("ce_source"),
            event_id=message.header("ce_id"),
            subject=subject,
            outcome=outcome,
        )
        return outcome

    async def _apply(self, message: Message, event: E) -> str:
        """Wait for Postgres as long as it takes: an outage of ours makes no dead letter."""
        for attempt in count(1):
            try:
                return await self.apply(event)
            except Unavailable as error:
                log.warning("event_waits", reason=repr(error.__cause__ or error))
                with message.assignment.waiting():
                    await asyncio.sleep(backoff(attempt, LONGEST_RETRY_SECONDS))
        raise AssertionError

    async def _bury(self, message: Message, end: DeadEnd) -> str:
        await bury(self.producer, message, end)
        return "dead"
