"""Where the topics end at this moment: a silent topic and a dead broker look alike to a poll."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from confluent_kafka import IsolationLevel, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

ANSWER_SECONDS = 1.0
LATELY_SECONDS = 2.0
# librdkafka may lose its brokers for good (its issue 5301), and only a new client finds them.
MOST_FAILURES = 5
# Asked and answered; more than these the reader could not use.
MOST_WAITING = 20

log = logging.getLogger("gatepost_client")

LATEST: Any = OffsetSpec.latest()  # type: ignore[no-untyped-call]

Config = dict[str, str | int | float | bool]
Partition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Ends:
    """Whoever has read up to `offsets` knows everything that was on Kafka at `asked_at`."""

    asked_at: float
    offsets: dict[Partition, int]


class Watermarks:
    """Asks every `pause` seconds in a thread of its own, with a client of its own.

    `waiting` holds the answers, oldest first.
    """

    def __init__(self, config: Config, topics: Sequence[str], pause: float) -> None:
        self.waiting: deque[Ends] = deque(maxlen=MOST_WAITING)
        self._failures = 0
        self._config = config
        self._topics = list(topics)
        self._pause = pause

    @property
    def answered_lately(self) -> bool:
        return bool(self.waiting) and monotonic() - self.waiting[-1].asked_at < LATELY_SECONDS

    def keep_asking(self, stopping: threading.Event) -> None:
        """Return when `stopping` is set."""
        client: Any = None
        while not stopping.is_set():
            try:
                # In here: for want of threads, say, none can be made now.
                if client is None:
                    client = AdminClient(dict(self._config))
                self.waiting.append(self._ask(client))
                self._answered()
            # Whatever it is: without an answer nothing is known, and the next one may be better.
            except Exception as error:
                self._failed(error)
                if self._failures % MOST_FAILURES == 0:
                    client = None
            stopping.wait(self._pause)

    def _answered(self) -> None:
        if self._failures:
            log.info("Kafka answers again")
        self._failures = 0

    def _failed(self, error: Exception) -> None:
        if not self._failures:
            log.warning("Kafka does not answer: %s", error)
        self._failures += 1

    def _ask(self, client: Any) -> Ends:
        asked_at = monotonic()
        # Partitions may be added at any time.
        described = client.describe_topics(
            TopicCollection(self._topics), request_timeout=ANSWER_SECONDS
        )
        partitions = [
            TopicPartition(name, partition.id)
            for name, description in described.items()
            for partition in description.result(2 * ANSWER_SECONDS).partitions
        ]
        told = client.list_offsets(
            dict.fromkeys(partitions, LATEST),
            # What the consumer reads up to.
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=ANSWER_SECONDS,
        )
        offsets = {
            (at.topic, at.partition): end.result(2 * ANSWER_SECONDS).offset
            for at, end in told.items()
        }
        return Ends(asked_at, offsets)
