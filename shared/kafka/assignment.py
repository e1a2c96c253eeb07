"""A consumed record, and the bookkeeping of the partition it came from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from operator import methodcaller
from typing import cast

import confluent_kafka
from msgspec import Struct, field

from shared.events import Headers

# Not `record.headers()`: the client leaves its error unsaid, which a call that Python has
# specialised does not look for, and the next one that does would fail in its stead.
_headers = methodcaller("headers")


class Assignment:
    """One partition for as long as it is ours: what is in flight, and what may be committed."""

    def __init__(self) -> None:
        self.in_flight: set[int] = set()
        self.given_up: set[int] = set()
        self.next_offset: int | None = None
        self._leaving = False
        self._waiting: set[asyncio.Task[None]] = set()

    def took(self, offset: int) -> None:
        self.in_flight.add(offset)
        self.next_offset = offset + 1

    def decided(self, offset: int) -> None:
        self.in_flight.discard(offset)

    def gave_up(self, offset: int) -> None:
        """Leave the message to the partition's next owner."""
        self.in_flight.discard(offset)
        self.given_up.add(offset)

    @property
    def committable(self) -> int | None:
        """The lowest undecided offset: everything before it is decided."""
        return min(self.in_flight | self.given_up, default=self.next_offset)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Inside, the current task is cancelled when the partition leaves; raises if it has left.

        A task is always suspended in here when it is cancelled, so nothing outside is cut short.
        """
        task = asyncio.current_task()
        if self._leaving or task is None:
            raise asyncio.CancelledError
        self._waiting.add(task)
        try:
            yield
        finally:
            self._waiting.discard(task)

    def leave(self) -> None:
        self._leaving = True
        for task in self._waiting:
            task.cancel()


class Message(Struct, frozen=True):
    """One record. `topic` is the name as the broker knows it, prefix included.

    Long waits belong inside `assignment.waiting()`: there a rebalance or a stop takes the message
    back undecided, where it would otherwise wait for `handle` to return.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    assignment: Assignment = field(default_factory=Assignment)

    @classmethod
    def of(cls, record: confluent_kafka.Message, assignment: Assignment) -> Message:
        return cls(
            topic=record.topic() or "",
            partition=record.partition() or 0,
            offset=record.offset() or 0,
            key=_bytes(record.key()),
            value=_bytes(record.value()),
            headers=headers_of(record),
            assignment=assignment,
        )

    @asynccontextmanager
    async def holding(self, lock: asyncio.Lock) -> AsyncIterator[None]:
        """Hold `lock`; the wait for it is one that a rebalance or a stop may end."""
        with self.assignment.waiting():
            await lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def header(self, name: str) -> str | None:
        for key, value in self.headers:
            # Kafka lets a foreign producer send a header without a value.
            if key == name and value is not None:
                return value.decode("utf-8", "replace")
        return None


def headers_of(record: confluent_kafka.Message) -> Headers:
    """None where a name is no UTF-8: Kafka takes any bytes, the client gives up on all of them."""
    try:
        return cast("Headers", _headers(record) or [])
    except (SystemError, UnicodeDecodeError):
        return []


def _bytes(told: str | bytes | None) -> bytes | None:
    return told.encode() if isinstance(told, str) else told
