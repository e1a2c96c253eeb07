"""Topics as `migrate` creates them."""

from __future__ import annotations

import os
import time

import confluent_kafka
import pytest
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]

from shared.events import new_id
from shared.kafka import KafkaConnection, create_topics
from shared.kafka.reading import records_so_far
from shared.topics import SEND_OTP

pytestmark = pytest.mark.anyio

TWO_HOURS = 2 * 3600


async def test_what_a_topic_keeps_is_forgotten_soon_after_its_time() -> None:
    """Brokers forget whole segments, which they fill for a week unless told otherwise."""
    connection = KafkaConnection(
        brokers=os.environ["KAFKA_BROKER"], topic_prefix=f"{new_id()[:8]}-"
    )
    await create_topics(connection, [SEND_OTP])
    topic = ConfigResource(ConfigResource.Type.TOPIC, connection.topic_name(SEND_OTP))
    admin = AdminClient({"bootstrap.servers": connection.brokers})
    settings = admin.describe_configs([topic])[topic].result(10)
    retention, segment = (int(settings[name].value) for name in ("retention.ms", "segment.ms"))
    assert (retention, segment) == (24 * 3600 * 1000, 3 * 3600 * 1000)


async def test_a_producer_whose_clock_is_wrong_is_heard_and_stamped_by_the_brokers_clock() -> None:
    connection = KafkaConnection(
        brokers=os.environ["KAFKA_BROKER"], topic_prefix=f"{new_id()[:8]}-"
    )
    await create_topics(connection, [SEND_OTP])
    topic = connection.topic_name(SEND_OTP)
    producer = confluent_kafka.Producer({"bootstrap.servers": connection.brokers})
    for offset in (-TWO_HOURS, TWO_HOURS):
        producer.produce(topic, b"{}", timestamp=int((time.time() + offset) * 1000))
    assert producer.flush(10) == 0

    client = confluent_kafka.Consumer({"bootstrap.servers": connection.brokers, "group.id": topic})
    stamps = [record.timestamp()[1] / 1000 for record in records_so_far(client, {topic})]
    client.close()
    assert [abs(stamp - time.time()) < 60 for stamp in stamps] == [True, True]
