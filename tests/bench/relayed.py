"""What the relay has brought to Kafka."""

from __future__ import annotations

import time
from collections import defaultdict
from datetime import datetime

import confluent_kafka
import msgspec

from shared.kafka import KafkaConnection
from shared.kafka.reading import records_so_far
from shared.topics import Topic
from tests.corner import Corner


class Relayed(msgspec.Struct, frozen=True):
    """`late` is in seconds, from the event's transaction to its place in Kafka."""

    event_id: str
    topic: str
    key: str
    version: int
    late: float


class _Versioned(msgspec.Struct):
    account_version: int


_decoder = msgspec.json.Decoder(_Versioned)


def read(corner: Corner, topics: list[Topic]) -> list[confluent_kafka.Message]:
    """Everything on these topics, in order for each partition."""
    connection = _connection(corner)
    client = confluent_kafka.Consumer(connection.client_config() | {"group.id": "nobody"})
    try:
        return list(records_so_far(client, {connection.topic_name(topic) for topic in topics}))
    finally:
        client.close()


def described(record: confluent_kafka.Message) -> Relayed:
    told = dict(record.headers() or [])
    happened = datetime.fromisoformat(_text(told["ce_time"]))
    return Relayed(
        event_id=_text(told["ce_id"]),
        topic=record.topic() or "",
        key=_text(record.key()),
        version=_decoder.decode(record.value() or b"").account_version,
        late=record.timestamp()[1] / 1000 - happened.timestamp(),
    )


def out_of_order(arrived: list[Relayed]) -> int:
    """Events that came after a later one of the same user in the same topic."""
    newest: dict[tuple[str, str], int] = defaultdict(int)
    late = 0
    for event in arrived:
        of = event.topic, event.key
        late += event.version < newest[of]
        newest[of] = max(newest[of], event.version)
    return late


def bare_cpu_seconds(corner: Corner, records: list[confluent_kafka.Message]) -> float:
    """CPU time of producing the same messages again with nothing but librdkafka."""
    settings = {"acks": "all", "enable.idempotence": True, "linger.ms": 0}
    room = {"queue.buffering.max.messages": len(records) + 1}
    producer = confluent_kafka.Producer(_connection(corner).client_config() | settings | room)
    messages = [
        (record.topic() or "", record.key(), record.value(), record.headers() or [])
        for record in records
    ]
    before = time.process_time()
    for topic, key, value, headers in messages:
        producer.produce(topic, value, key, headers=headers)
        producer.poll(0)
    assert producer.flush(60) == 0
    return time.process_time() - before


def _connection(corner: Corner) -> KafkaConnection:
    return KafkaConnection(corner.variables["KAFKA_BROKER"], topic_prefix=corner.topic_prefix)


def _text(field: str | bytes | None) -> str:
    return field.decode() if isinstance(field, bytes) else field or ""
