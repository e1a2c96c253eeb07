"""Which events were mailed already: one mark each in Redis, for a day."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

import structlog
from redis.asyncio import Redis

PREFIX = "sent:"
MARK_SECONDS = 24 * 60 * 60
MARK_TRIES = 3
# A turn is held meanwhile: while Redis hangs, each try would wait for a second.
MARK_WITHIN_SECONDS = 1.5
MARK_PAUSE_SECONDS = 0.2

log = structlog.get_logger()
T = TypeVar("T")


class MarksUnavailable(Exception):
    """Redis did not answer: whether an event was mailed cannot be told, or not be kept."""


class Delivered:
    """Marks of mailed events. Look-ups and marks that meet travel to Redis as one command each."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._look_up = Batched(self._includes)
        self._mark = Batched(self._add)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def lock(self, event_id: str) -> asyncio.Lock:
        """To be held from the look-up to the mark: an event may come twice at the same time."""
        return self._locks.setdefault(event_id, asyncio.Lock())

    async def includes(self, event_id: str) -> bool:
        """Whether the event was mailed; raises MarksUnavailable."""
        return await self._look_up(event_id)

    async def add(self, event_id: str) -> None:
        """Mark the event, trying for a second or so; raises MarksUnavailable."""
        try:
            async with asyncio.timeout(MARK_WITHIN_SECONDS):
                for _ in range(MARK_TRIES - 1):
                    with suppress(MarksUnavailable):
                        return await self._mark(event_id)
                    await asyncio.sleep(MARK_PAUSE_SECONDS)
                await self._mark(event_id)
        except TimeoutError:
            raise MarksUnavailable from None

    async def _includes(self, event_ids: list[str]) -> list[bool]:
        marks = await self._redis.mget([PREFIX + event_id for event_id in event_ids])
        return [mark is not None for mark in marks]

    async def _add(self, event_ids: list[str]) -> list[None]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for event_id in event_ids:
                pipeline.set(PREFIX + event_id, 1, ex=MARK_SECONDS)
            await pipeline.execute()
        return [None] * len(event_ids)


class Batched(Generic[T]):
    """Calls that meet while one batch is on its way become the next batch."""

    def __init__(self, run: Callable[[list[str]], Awaitable[list[T]]]) -> None:
        self._run = run
        self._waiting: dict[str, asyncio.Future[T]] = {}
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, event_id: str) -> T:
        outcome = self._waiting.get(event_id)
        if outcome is None:
            outcome = asyncio.get_running_loop().create_future()
            self._waiting[event_id] = outcome
            if self._task is None:
                self._task = asyncio.create_task(self._drain())
        return await asyncio.shield(outcome)

    async def _drain(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, {}
            try:
                results = await self._run(list(batch))
            except Exception as error:  # whatever it is: who waits for it must not wait for ever
                log.warning("redis_unavailable", reason=str(error) or type(error).__name__)
                for outcome in batch.values():
                    outcome.set_exception(MarksUnavailable())
            else:
                for outcome, result in zip(batch.values(), results, strict=True):
                    outcome.set_result(result)
        self._task = None
