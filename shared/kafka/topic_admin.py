"""Creating the topics: brokers auto-create nothing here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from shared.kafka.connection import KafkaConnection, KafkaUnavailable
from shared.topics import Topic

REQUEST_SECONDS = 20


async def create_topics(connection: KafkaConnection, topics: Iterable[Topic]) -> list[str]:
    """Create what is missing and return the new names; raises KafkaUnavailable."""
    return await asyncio.to_thread(_create_topics, connection, list(topics))


def _create_topics(connection: KafkaConnection, topics: list[Topic]) -> list[str]:
    client = AdminClient(connection.client_config())
    try:
        existing = client.list_topics(timeout=REQUEST_SECONDS).topics
    except KafkaException as error:
        raise KafkaUnavailable(str(error.args[0]), certain=True) from None
    wanted = [
        NewTopic(
            connection.topic_name(topic),
            num_partitions=topic.partitions,
            replication_factor=connection.replication,
            config={
                "retention.ms": _milliseconds(topic.retention),
                # Brokers forget whole segments: one that is filled for a week lives for two.
                "segment.ms": _milliseconds(topic.retention / 8),
                # By the brokers' clock: they refuse a producer whose own is an hour ahead, and
                # would forget too early what comes from one that is behind.
                "message.timestamp.type": "LogAppendTime",
            },
        )
        for topic in topics
        if connection.topic_name(topic) not in existing
    ]
    # librdkafka's mock broker brings its topics along and cannot answer this request.
    outcomes = client.create_topics(wanted, request_timeout=REQUEST_SECONDS) if wanted else {}
    created = []
    for name, outcome in outcomes.items():
        try:
            outcome.result()
            created.append(name)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise KafkaUnavailable(f"topic {name}: {error.args[0]}", certain=True) from None
    return created


def _milliseconds(time: timedelta) -> str:
    return str(int(time.total_seconds() * 1000))
