"""Producing events once more, for a consumer that has lost what it knew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from shared.kafka import KafkaConnection, Producer
from user_service.outbox import outbox_store
from user_service.outbox.outbox_store import Kept, Selection, StoredEvent
from user_service.outbox.relay import hand_over
from user_service.storage.postgres import Database

PAGE = 500


@dataclass(frozen=True, slots=True)
class Replay:
    db: Database
    producer: Producer
    kafka: KafkaConnection

    async def look(self, chosen: Selection) -> Kept:
        async with self.db.connection() as connection:
            return await outbox_store.kept(connection, chosen)

    async def run(self, chosen: Selection, last: int) -> AsyncIterator[int]:
        """Produce what is chosen up to the id `last`, each event under its own id again, in order.

        Yields how many were produced so far; raises KafkaUnavailable and Unavailable. The order of
        one account within a topic is kept, but what happens meanwhile is not held back.
        """
        after, many = 0, 0
        while page := await self._page(chosen, after, last):
            await asyncio.gather(*(hand_over(e, self.producer, self.kafka) for e in page))
            after, many = page[-1].id, many + len(page)
            yield many

    async def _page(self, chosen: Selection, after: int, last: int) -> list[StoredEvent]:
        async with self.db.connection() as connection:
            return await outbox_store.produced(
                connection, chosen, after=after, last=last, most=PAGE
            )
