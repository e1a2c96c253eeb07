"""Consuming at least once with many messages in flight.

One thread owns the client, because a call made while another thread polls blocks until that poll
returns. Each message becomes a task on the loop; a partition's offset is stored only up to the
first message that is still undecided, so a crash redelivers and never skips.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

import confluent_kafka
import structlog
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from msgspec import Struct

from shared.events import Headers
from shared.kafka.connection import KafkaConnection
from shared.topics import Topic

POLL_SECONDS = 0.05
BATCH = 500
DRAIN_SECONDS = 10.0

log = structlog.get_logger()

Partition = tuple[str, int]


class Message(Struct, frozen=True):
    """One record. `topic` is the name as the broker knows it, prefix included."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]

    def header(self, name: str) -> str | None:
        for key, value in self.headers:
            if key == name:
                return value.decode("utf-8", "replace")
        return None


class Progress:
    """Which messages of one assigned partition are in flight, and what may be committed."""

    def __init__(self) -> None:
        self.undecided: set[int] = set()
        self.next_offset: int | None = None

    def took(self, offset: int) -> None:
        self.undecided.add(offset)
        self.next_offset = offset + 1

    def decided(self, offset: int) -> None:
        self.undecided.discard(offset)

    @property
    def committable(self) -> int | None:
        """The lowest undecided offset: everything before it is decided."""
        return min(self.undecided, default=self.next_offset)


class Consumer:
    """A member of a consumer group that runs `handle` for each message, concurrently.

    A message counts as decided when `handle` returns. If it raises, the consumer stops with that
    error and the message is delivered again. At most `most_undecided` messages are taken at a time.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        *,
        group: str,
        topics: Sequence[Topic],
        handle: Callable[[Message], Awaitable[None]],
        most_undecided: int = 10_000,
    ) -> None:
        self._names = [connection.topic_name(topic) for topic in topics]
        self._config = connection.client_config() | {
            "group.id": connection.topic_prefix + group,
            "auto.offset.reset": "earliest",
            "enable.auto.offset.store": False,
            "enable.auto.commit": True,
            "auto.commit.interval.ms": 1000,
            "session.timeout.ms": 10_000,
            "max.poll.interval.ms": 60_000,
        }
        self._handle = handle
        self._most_undecided = most_undecided
        self._progress: dict[Partition, Progress] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.connected = False

    async def run(self) -> None:
        """Consume until `stop`; raises what `handle` raised, after the partitions were given up."""
        self._loop = asyncio.get_running_loop()
        self._client = confluent_kafka.Consumer(self._config)
        finished = self._loop.create_future()

        def own() -> None:
            try:
                self._own_client()
            finally:
                self._loop.call_soon_threadsafe(finished.set_result, None)

        thread = threading.Thread(target=own, name="kafka-consumer", daemon=True)
        thread.start()
        try:
            await asyncio.shield(finished)
        except asyncio.CancelledError:
            self.stop()
            await finished
            raise
        for task in self._tasks:
            task.cancel()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Take nothing new, let what is in flight finish (bounded), commit, leave the group."""
        self._stopping.set()

    @property
    def undecided(self) -> int:
        with self._lock:
            return sum(len(progress.undecided) for progress in self._progress.values())

    # -- on the owner thread ---------------------------------------------------------------------

    def _own_client(self) -> None:
        client = self._client
        client.subscribe(self._names, on_revoke=self._revoked, on_lost=self._lost)
        paused = False
        try:
            while not self._stopping.is_set():
                paused = self._hold_back(client, paused)
                self._take(client)
                self._store(client)
        except BaseException as error:
            self._failure = self._failure or error
        finally:
            client.close()  # revokes first: see _revoked

    def _take(self, client: confluent_kafka.Consumer) -> None:
        first = client.poll(POLL_SECONDS)
        if first is None:
            return
        records = [first, *client.consume(BATCH - 1, 0)]
        messages = [_message(record) for record in records if self._usable(record)]
        with self._lock:
            for message in messages:
                key = (message.topic, message.partition)
                self._progress.setdefault(key, Progress()).took(message.offset)
        if messages:
            self.connected = True
            self._loop.call_soon_threadsafe(self._start, messages)

    def _usable(self, record: confluent_kafka.Message) -> bool:
        error = record.error()
        if error is None:
            return True
        if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            log.warning("topic_missing", reason=error.str())
        elif error.fatal():
            raise KafkaException(error)
        return False

    def _hold_back(self, client: confluent_kafka.Consumer, paused: bool) -> bool:
        full = self.undecided >= (self._most_undecided // 2 if paused else self._most_undecided)
        # Assignments change underneath, so a pause is said again; librdkafka minds no repetition.
        if full:
            client.pause(client.assignment())
        elif paused:
            client.resume(client.assignment())
        return full

    def _store(self, client: confluent_kafka.Consumer) -> None:
        with self._lock:
            offsets = self._committable(self._progress)
        if offsets:
            client.store_offsets(offsets=offsets)

    def _committable(self, partitions: dict[Partition, Progress]) -> list[TopicPartition]:
        return [
            TopicPartition(topic, number, progress.committable)
            for (topic, number), progress in partitions.items()
            if progress.committable is not None
        ]

    def _revoked(self, client: confluent_kafka.Consumer, partitions: list[TopicPartition]) -> None:
        leaving = {(partition.topic, partition.partition) for partition in partitions}
        self._wait_for(leaving)
        with self._lock:
            gone = {key: self._progress.pop(key) for key in leaving & self._progress.keys()}
        if offsets := self._committable(gone):
            try:
                client.commit(offsets=offsets, asynchronous=False)
            except KafkaException as error:
                log.warning("commit_failed", reason=str(error))

    def _lost(self, _client: confluent_kafka.Consumer, partitions: list[TopicPartition]) -> None:
        # Another member owns them already: what we decided meanwhile, it will see again.
        with self._lock:
            for partition in partitions:
                self._progress.pop((partition.topic, partition.partition), None)

    def _wait_for(self, leaving: set[Partition]) -> None:
        deadline = time.monotonic() + DRAIN_SECONDS
        while (left := self._undecided_of(leaving)) and self._failure is None:
            if time.monotonic() > deadline:
                log.warning("left_undecided", messages=left)
                return
            time.sleep(0.01)

    def _undecided_of(self, partitions: set[Partition]) -> int:
        with self._lock:
            return sum(
                len(progress.undecided)
                for key, progress in self._progress.items()
                if key in partitions
            )

    # -- on the loop -----------------------------------------------------------------------------

    def _start(self, messages: list[Message]) -> None:
        for message in messages:
            task = self._loop.create_task(self._decide(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _decide(self, message: Message) -> None:
        try:
            await self._handle(message)
        except Exception as error:
            self._failure = self._failure or error
            self._stopping.set()
            return
        with self._lock:
            progress = self._progress.get((message.topic, message.partition))
            if progress is not None:
                progress.decided(message.offset)


def _message(record: confluent_kafka.Message) -> Message:
    return Message(
        topic=record.topic() or "",
        partition=record.partition() or 0,
        offset=record.offset() or 0,
        key=_bytes(record.key()),
        value=_bytes(record.value()),
        headers=cast("Headers", record.headers() or []),
    )


def _bytes(field: str | bytes | None) -> bytes | None:
    return field.encode() if isinstance(field, str) else field
