"""Reading topics from outside of any consumer group, as an operator's commands do."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import confluent_kafka
from confluent_kafka import OFFSET_BEGINNING, TopicPartition

from shared.kafka.connection import KafkaUnavailable

ANSWER_SECONDS = 5.0
BATCH, BATCH_SECONDS = 500, 0.2


def records_so_far(
    client: confluent_kafka.Consumer, names: set[str]
) -> Iterator[confluent_kafka.Message]:
    """All that the topics hold now; raises KafkaUnavailable when the brokers fall silent."""
    ends = _ends(client, names)
    client.assign([TopicPartition(*partition, OFFSET_BEGINNING) for partition in ends])
    heard = time.monotonic()
    while ends:
        for record in client.consume(BATCH, BATCH_SECONDS):
            if record.error() is None:
                heard = time.monotonic()
                yield record
        if time.monotonic() - heard > ANSWER_SECONDS:
            raise KafkaUnavailable("the topics could not be read to their end", certain=True)
        for at in client.position(client.assignment()):
            if at.offset >= ends.get((at.topic, at.partition), math.inf):
                del ends[at.topic, at.partition]


def _ends(client: confluent_kafka.Consumer, names: set[str]) -> dict[tuple[str, int], int]:
    """Where each partition that holds anything ends at this moment."""
    topics = client.list_topics(timeout=ANSWER_SECONDS).topics
    ends = {}
    for name in names & topics.keys():
        for number in topics[name].partitions:
            at = TopicPartition(name, number)
            start, end = client.get_watermark_offsets(at, ANSWER_SECONDS)
            if end > start:
                ends[name, number] = end
    return ends


def records_as_they_come(
    client: confluent_kafka.Consumer, names: set[str], *, from_beginning: bool
) -> Iterator[confluent_kafka.Message]:
    """All that the topics get from now on, or have got since their beginning; ends never."""
    topics = client.list_topics(timeout=ANSWER_SECONDS).topics
    held = [(name, number) for name in names & topics.keys() for number in topics[name].partitions]
    places = [TopicPartition(*partition) for partition in held]
    for at in places:
        # Asked now: librdkafka's own "end" would be wherever that is once it has connected.
        at.offset = client.get_watermark_offsets(at, ANSWER_SECONDS)[0 if from_beginning else 1]
    client.assign(places)
    while True:
        records = client.consume(BATCH, BATCH_SECONDS)
        yield from (record for record in records if record.error() is None)
