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
from contextlib import suppress

import confluent_kafka
import structlog
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from shared.kafka.assignment import Assignment, Message
from shared.kafka.connection import KafkaConnection
from shared.kafka.lost_brokers import LOST, Doubt
from shared.topics import Topic

POLL_SECONDS = 0.05
BATCH = 500
# In bytes, of all topics. librdkafka's own 64 MiB are what a worker would grow by in a backlog.
FETCHED_AHEAD = 2 * 1024 * 1024
DRAIN_SECONDS = 10.0
LAG_SECONDS = 1.0
TELL_SECONDS = 60.0

log = structlog.get_logger()

Partition = tuple[str, int]


class Consumer:
    """A member of a consumer group that runs `handle` for each message, concurrently.

    A message counts as decided when `handle` returns. If it raises, the consumer stops with that
    error and the message is delivered again; if it waits in `assignment.waiting()` when the
    partition leaves, the next owner gets it. At most `most_undecided` of a topic are taken at a
    time: one topic whose messages are stuck does not hold up another.
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
        self._connection = connection
        self._names = [connection.topic_name(topic) for topic in topics]
        self._membership = {
            "group.id": connection.topic_prefix + group,
            "auto.offset.reset": "earliest",
            "enable.auto.offset.store": False,
            "enable.auto.commit": True,
            "auto.commit.interval.ms": 1000,
            # What a killed member held is taken over after this; brokers allow no less.
            "session.timeout.ms": 6_000,
            # So long a group waits for a member that was killed while it joined. We poll all the
            # time, but for the drain of a partition that leaves.
            "max.poll.interval.ms": 20_000,
            "queued.max.messages.kbytes": FETCHED_AHEAD // 1024,
        }
        self._handle = handle
        self._most_undecided = most_undecided
        self._assignments: dict[Partition, Assignment] = {}
        self._gone: set[Partition] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._lag_due = 0.0
        self._told: dict[tuple[int, str | None], float] = {}
        self._doubt = Doubt(connection, self._stopping)
        self.lag = 0

    async def run(self) -> None:
        """Consume until `stop`; raises what `handle` raised, after the partitions were given up."""
        self._loop = asyncio.get_running_loop()
        self._client = self._new_client()
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
            return sum(len(assignment.in_flight) for assignment in self._assignments.values())

    # -- on the owner thread ---------------------------------------------------------------------

    def _own_client(self) -> None:
        try:
            while not self._stopping.is_set():
                self._work(self._client)
        except BaseException as error:
            self._failure = self._failure or error
        finally:
            self._client.close()  # revokes first: see _revoked

    def _work(self, client: confluent_kafka.Consumer) -> None:
        """Until `stop`, or until the client has been replaced."""
        client.subscribe(self._names, on_revoke=self._revoked, on_lost=self._lost)
        held: set[str] = set()
        while client is self._client and not self._stopping.is_set():
            held = self._hold_back(client, held)
            self._take(client)
            self._store(client)
            self._measure_lag(client)
            self._mend(client)

    def _mend(self, client: confluent_kafka.Consumer) -> None:
        try:
            if self._doubt.confirmed_about(client):
                self._replace(client)
        except KafkaException as error:
            # For want of threads, say, no client can be made now: the next doubt may be luckier.
            log.warning("kafka_consumer_not_replaced", reason=str(error))

    def _replace(self, client: confluent_kafka.Consumer) -> None:
        self._client = self._new_client()
        log.warning("kafka_consumer_replaced", reason=LOST)
        with self._lock:
            for assignment in self._assignments.values():
                self._loop.call_soon_threadsafe(assignment.leave)
            # As after a lost session: what was not committed will be seen again.
            self._assignments.clear()
        # It may wait for a coordinator that it does not reach.
        farewell = threading.Thread(target=client.close, name="kafka-farewell", daemon=True)
        # Without a thread it is dropped unclosed, and the group waits for its session to end.
        with suppress(RuntimeError):
            farewell.start()

    def _new_client(self) -> confluent_kafka.Consumer:
        return confluent_kafka.Consumer(self._connection.client_config() | self._membership)

    def _take(self, client: confluent_kafka.Consumer) -> None:
        first = client.poll(POLL_SECONDS)
        if first is None:
            return
        self._gone.clear()
        records = client.consume(BATCH - 1, 0)
        # A rebalance in the meantime takes back what it has yet to hand out, and not the first.
        if _partition_of(first) not in self._gone:
            records.insert(0, first)
        with self._lock:
            messages = [self._taken(record) for record in records if self._usable(record)]
        if messages:
            self._doubt.put_off()
            self._loop.call_soon_threadsafe(self._start, messages)

    def _taken(self, record: confluent_kafka.Message) -> Message:
        assignment = self._assignments.setdefault(_partition_of(record), Assignment())
        message = Message.of(record, assignment)
        assignment.took(message.offset)
        return message

    def _usable(self, record: confluent_kafka.Message) -> bool:
        error = record.error()
        if error is None:
            return True
        if error.fatal():
            raise KafkaException(error)
        self._tell(error, record.topic())
        return False

    def _tell(self, error: KafkaError, topic: str | None) -> None:
        """Log what a person may have to mend, like a right that is missing, once in a while."""
        what, now = (error.code(), topic), time.monotonic()
        if now >= self._told.get(what, 0.0):
            self._told[what] = now + TELL_SECONDS
            missing = error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART
            event = "topic_missing" if missing else "kafka_consumer_error"
            log.warning(event, topic=topic, reason=error.str())

    def _hold_back(self, client: confluent_kafka.Consumer, held: set[str]) -> set[str]:
        """Pause the topics that are full until they are half empty, and return them."""
        full = {topic for topic in self._names if self._is_full(topic, topic in held)}
        if full or held:
            # Assignments change underneath, so a pause is said again: repetition does no harm.
            ours = client.assignment()
            client.pause([at for at in ours if at.topic in full])
            client.resume([at for at in ours if at.topic in held - full])
        return full

    def _is_full(self, topic: str, held: bool) -> bool:
        limit = self._most_undecided // 2 if held else self._most_undecided
        with self._lock:
            mine = (each for (name, _), each in self._assignments.items() if name == topic)
            return sum(len(assignment.in_flight) for assignment in mine) >= limit

    def _store(self, client: confluent_kafka.Consumer) -> None:
        with self._lock:
            offsets = self._committable(self._assignments)
        if offsets:
            client.store_offsets(offsets=offsets)

    def _committable(self, assignments: dict[Partition, Assignment]) -> list[TopicPartition]:
        return [
            TopicPartition(topic, number, assignment.committable)
            for (topic, number), assignment in assignments.items()
            if assignment.committable is not None
        ]

    def _measure_lag(self, client: confluent_kafka.Consumer) -> None:
        if time.monotonic() < self._lag_due:
            return
        self._lag_due = time.monotonic() + LAG_SECONDS
        with self._lock:
            offsets = self._committable(self._assignments)
        ends = [client.get_watermark_offsets(at, cached=True)[1] for at in offsets]
        self.lag = sum(
            max(0, end - at.offset) for at, end in zip(offsets, ends, strict=True) if end >= 0
        )

    def _revoked(self, client: confluent_kafka.Consumer, partitions: list[TopicPartition]) -> None:
        if client is not self._client:
            return
        self._forget_pause(client, partitions)
        leaving = self._let_go(partitions)
        self._wait_for(leaving)
        with self._lock:
            gone = {key: self._assignments.pop(key) for key in leaving}
        if offsets := self._committable(gone):
            try:
                # Stored as well: closing commits what is stored, and would undo what is newer.
                client.store_offsets(offsets=offsets)
                client.commit(offsets=offsets, asynchronous=False)
            except KafkaException as error:
                log.warning("commit_failed", reason=str(error))

    def _lost(self, client: confluent_kafka.Consumer, partitions: list[TopicPartition]) -> None:
        if client is not self._client:
            return
        self._forget_pause(client, partitions)
        # Another member owns them already: what we decided meanwhile, it will see again.
        with self._lock:
            for key in self._let_go(partitions):
                self._assignments.pop(key)

    def _forget_pause(
        self, client: confluent_kafka.Consumer, partitions: list[TopicPartition]
    ) -> None:
        """Or a partition that comes back would still be held back, and nobody would know of it."""
        try:
            client.resume(partitions)
        except KafkaException as error:
            log.warning("resume_failed", reason=str(error))

    def _let_go(self, partitions: list[TopicPartition]) -> set[Partition]:
        """Take back what only waits, and return those partitions that we had messages of."""
        keys = {(partition.topic, partition.partition) for partition in partitions}
        self._gone |= keys
        ours = keys & self._assignments.keys()
        for key in ours:
            self._loop.call_soon_threadsafe(self._assignments[key].leave)
        return ours

    def _wait_for(self, leaving: set[Partition]) -> None:
        deadline = time.monotonic() + DRAIN_SECONDS
        while (left := self._undecided_of(leaving)) and self._failure is None:
            if time.monotonic() > deadline:
                log.warning("left_undecided", messages=left)
                return
            time.sleep(0.01)

    def _undecided_of(self, partitions: set[Partition]) -> int:
        with self._lock:
            return sum(len(self._assignments[key].in_flight) for key in partitions)

    # -- on the loop -----------------------------------------------------------------------------

    def _start(self, messages: list[Message]) -> None:
        for message in messages:
            task = self._loop.create_task(self._decide(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _decide(self, message: Message) -> None:
        settle = message.assignment.decided
        try:
            await self._handle(message)
        except asyncio.CancelledError:
            settle = message.assignment.gave_up
        except Exception as error:
            self._failure = self._failure or error
            self._stopping.set()
            return
        with self._lock:
            settle(message.offset)


def _partition_of(record: confluent_kafka.Message) -> Partition:
    return record.topic() or "", record.partition() or 0
