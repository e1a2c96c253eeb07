"""Following the topics from outside of any group, and knowing how far.

Two threads: one reads, one asks where the topics end. What was known at the moment of the oldest
question whose answer has been read up to is known for sure, whatever hangs since.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from time import monotonic
from typing import cast

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from gatepost_client.kafka.records import Headers, Malformed, Reader, Record
from gatepost_client.kafka.watermarks import Config, Ends, Partition, Watermarks
from gatepost_client.revocations import MARGIN_SECONDS, Revocations

POLL_SECONDS = 0.05
BATCH = 500
ASK_SECONDS = 0.4
ANSWER_SECONDS = 2.0
AGAIN_SECONDS = 1.0
FORGET_SECONDS = 60.0
FAREWELL_SECONDS = 3.0
DEAF_SECONDS = 5.0
END_OF_PARTITION = KafkaError._PARTITION_EOF  # noqa: SLF001
OURS_TO_MEND = {KafkaError._AUTHENTICATION, KafkaError._SSL}  # noqa: SLF001

log = logging.getLogger("gatepost_client")


class Deaf(Exception):
    """Nothing is heard of what the brokers say is there: a new client may hear it."""


class Follower:
    """Writes into `revocations`; `longest` is for how many seconds back it begins to read."""

    def __init__(
        self,
        config: Config,
        reader: Reader,
        revocations: Revocations,
        longest: float,
        most_behind: float,
    ) -> None:
        self._config = config
        self._reader = reader
        self._revocations = revocations
        self._longest = longest
        self._most_behind = most_behind
        self._watermarks = Watermarks(config, reader.topics, ASK_SECONDS)
        self._positions: dict[Partition, int] = {}
        self._known_at: float | None = None
        self._deaf_since: float | None = None
        self._forget_at = 0.0
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def fresh(self) -> bool:
        """Whether everything that was on Kafka `most_behind` seconds ago is known."""
        return self._known_at is not None and monotonic() - self._known_at < self._most_behind

    def start(self) -> None:
        """Begin; brokers that do not answer are waited for in the background."""
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=run, args=(self._stopping,), daemon=True)
            for run in (self._watermarks.keep_asking, self._keep_following)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Brokers that hang are not waited for longer than a few seconds."""
        self._stopping.set()
        deadline = monotonic() + FAREWELL_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - monotonic()))
        self._known_at = None

    # -- in the reading thread ---------------------------------------------------------------------

    def _keep_following(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            try:
                self._follow(stopping)
            # Whatever it is: nothing new is known until it works again, and then all of it.
            except Exception:
                log.exception("events could not be followed; beginning again")
                stopping.wait(AGAIN_SECONDS)

    def _follow(self, stopping: threading.Event) -> None:
        client = confluent_kafka.Consumer(
            {
                **self._config,
                # Never joined, and nothing is ever committed to it.
                "group.id": "gatepost-client",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                # Tells how far was read where a topic ends in a transaction's marker.
                "enable.partition.eof": True,
                "error_cb": _complained,
            }
        )
        self._positions = {}
        self._deaf_since = None
        try:
            while not stopping.is_set():
                for message in _messages(client):
                    self._take(message)
                    self._deaf_since = None
                self._compare(client)
                self._tidy_up()
        finally:
            client.close()

    def _take(self, message: Message) -> None:
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        error = message.error()
        if topic is None or partition is None or offset is None:
            log.warning("Kafka: %s", error)
        elif error is None:
            self._apply(message, topic)
            self._positions[topic, partition] = offset + 1
        elif error.code() == END_OF_PARTITION:
            self._positions[topic, partition] = offset
        else:
            log.warning("Kafka: %s", error)

    def _apply(self, message: Message, topic: str) -> None:
        where = f"{topic}[{message.partition()}]@{message.offset()}"
        try:
            self._reader.apply(_record(message, topic), self._revocations)
        except Malformed as reason:
            log.warning("an event is passed over: %s at %s", reason, where)
        # One that trips us must not keep all others from being known, again and again.
        except Exception:
            log.exception("an event could not be read at %s", where)

    def _compare(self, client: confluent_kafka.Consumer) -> None:
        """Note up to which moment everything is known."""
        waiting = self._watermarks.waiting
        while waiting:
            ends = waiting[0]
            if ends.offsets.keys() - self._positions.keys():
                self._begin(client, ends)
            if any(self._positions[at] < end for at, end in ends.offsets.items()):
                self._listen()
                return
            self._known_at = ends.asked_at
            self._deaf_since = None
            waiting.popleft()

    def _listen(self) -> None:
        if not self._watermarks.answered_lately:
            self._deaf_since = None
        elif self._deaf_since is None:
            self._deaf_since = monotonic()
        elif monotonic() - self._deaf_since > DEAF_SECONDS:
            raise Deaf

    def _begin(self, client: confluent_kafka.Consumer, ends: Ends) -> None:
        """Read partitions that are new to us from where a living token's end could stand."""
        since = int((time.time() - self._longest - MARGIN_SECONDS) * 1000)
        new = ends.offsets.keys() - self._positions.keys()
        starts = client.offsets_for_times(
            [TopicPartition(*partition, since) for partition in new], ANSWER_SECONDS
        )
        for start in starts:
            if start.error is not None:
                raise KafkaException(start.error)
        positions = self._positions | {
            (start.topic, start.partition): (
                # Nothing is that young: from the end as it was asked for before, or one slips by.
                start.offset if start.offset >= 0 else ends.offsets[start.topic, start.partition]
            )
            for start in starts
        }
        client.assign([TopicPartition(*partition, at) for partition, at in positions.items()])
        self._positions = positions

    def _tidy_up(self) -> None:
        if monotonic() >= self._forget_at:
            self._forget_at = monotonic() + FORGET_SECONDS
            self._revocations.forget()


def _record(message: Message, topic: str) -> Record:
    value, (_, stamp) = message.value(), message.timestamp()
    text = value.encode() if isinstance(value, str) else value
    produced_at = stamp / 1000 if stamp > 0 else time.time()
    return Record(topic, cast("Headers", message.headers() or []), text, produced_at)


def _complained(error: KafkaError) -> None:
    # Of the others `Watermarks` tells once, however often a client tries to connect again.
    log.log(logging.WARNING if error.code() in OURS_TO_MEND else logging.DEBUG, "Kafka: %s", error)


def _messages(client: confluent_kafka.Consumer) -> Iterator[Message]:
    """Whatever has come, waited for by a poll: `consume` would wait until there are many."""
    first = client.poll(POLL_SECONDS)
    if first is not None:
        yield first
        yield from client.consume(BATCH - 1, 0)
