"""Consuming two topics at once: what sticks in one does not hold up the other."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from shared.events import new_id
from shared.kafka import (
    Consumer,
    KafkaConnection,
    Message,
    Producer,
    create_topics,
    lost_brokers,
)
from shared.kafka.consumer import BATCH, FETCHED_AHEAD
from shared.kafka.consuming import FAREWELL_SECONDS
from shared.topics import SEND_NOTICE, SEND_OTP, Topic
from tests.no_threads import no_more_threads

pytestmark = pytest.mark.anyio

MOST = 10
REPLACED = "kafka_consumer_replaced"


class Reader:
    """Holds on to every message until it may let go, and remembers what it saw of each topic."""

    def __init__(self) -> None:
        self.taken: dict[str, list[bytes]] = {SEND_OTP.name: [], SEND_NOTICE.name: []}
        self.free = {name: asyncio.Event() for name in self.taken}

    async def handle(self, message: Message) -> None:
        name = next(name for name in self.taken if message.topic.endswith(name))
        self.taken[name].append(message.value or b"")
        with message.assignment.waiting():
            await self.free[name].wait()

    async def has_taken(self, topic: Topic, least: int) -> None:
        async with asyncio.timeout(15):
            while len(self.taken[topic.name]) < least:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


@pytest.fixture
async def connection() -> KafkaConnection:
    connection = KafkaConnection(
        brokers=os.environ["KAFKA_BROKER"], topic_prefix=f"{new_id()[:8]}-"
    )
    await create_topics(connection, [SEND_OTP, SEND_NOTICE])
    return connection


@pytest.fixture
async def producer(connection: KafkaConnection) -> AsyncIterator[Producer]:
    producer = Producer(connection, timeout=10)
    producer.start()
    yield producer
    await producer.close(1)


async def test_a_topic_that_is_stuck_does_not_hold_up_another(
    connection: KafkaConnection, producer: Producer
) -> None:
    reader = Reader()
    reader.free[SEND_OTP.name].set()
    consumer = Consumer(
        connection,
        group="reader",
        topics=[SEND_OTP, SEND_NOTICE],
        handle=reader.handle,
        most_undecided=MOST,
    )
    consuming = asyncio.create_task(consumer.run())
    # More than is fetched ahead: what is held back must not fill the room of the other.
    await _produce(producer, connection, SEND_NOTICE, 2000, size=FETCHED_AHEAD // 1000)
    await reader.has_taken(SEND_NOTICE, MOST)

    for batch in range(3):
        await _produce(producer, connection, SEND_OTP, 20)
        await reader.has_taken(SEND_OTP, 20 * (batch + 1))
    # One batch is taken as a whole; after it, the topic is held back.
    assert len(reader.taken[SEND_NOTICE.name]) <= MOST + BATCH

    reader.free[SEND_NOTICE.name].set()
    await reader.has_taken(SEND_NOTICE, 2000)
    consumer.stop()
    await asyncio.wait_for(consuming, 20)
    assert {name: len(set(values)) for name, values in reader.taken.items()} == {
        SEND_OTP.name: 60,
        SEND_NOTICE.name: 2000,
    }


async def test_a_consumer_that_lost_all_brokers_begins_anew_once_they_are_there(
    connection: KafkaConnection, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("QUIET_SECONDS", "ANSWER_SECONDS"):
        monkeypatch.setattr(lost_brokers, name, 0.2)
    reader = Reader()
    lost = replace(connection, brokers="127.0.0.1:1")
    consumer = Consumer(lost, group="reader", topics=[SEND_OTP], handle=reader.handle)
    consuming = asyncio.create_task(consumer.run())
    await _produce(producer, connection, SEND_OTP, 5)
    with capture_logs() as logs:
        # Then no client can be made at all, which the consumer must outlive.
        consumer._doubt._connection = replace(connection, protocol="SSL", ca_file="/nowhere")
        async with asyncio.timeout(10):
            while not logs:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        # And then it can, but nobody says farewell to the old one.
        with no_more_threads():
            consumer._connection = consumer._doubt._connection = connection
            await reader.has_taken(SEND_OTP, 5)
    events = [line["event"] for line in logs]
    assert list(dict.fromkeys(events)) == ["kafka_consumer_not_replaced", REPLACED]
    assert events.count(REPLACED) == 1
    reader.free[SEND_OTP.name].set()
    consumer.stop()
    await asyncio.wait_for(consuming, 20)


async def test_a_consumer_that_doubts_stops_as_fast_as_any_other(
    connection: KafkaConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_brokers, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(lost_brokers, "ANSWER_SECONDS", 0.2)
    lost = replace(connection, brokers="127.0.0.1:1")
    consumer = Consumer(lost, group="reader", topics=[SEND_OTP], handle=Reader().handle)
    consuming = asyncio.create_task(consumer.run())
    # By then it asks whether a new client is answered.
    await asyncio.sleep(0.5)
    consumer.stop()
    await asyncio.wait_for(consuming, FAREWELL_SECONDS / 2)


async def _produce(
    producer: Producer, connection: KafkaConnection, topic: Topic, many: int, size: int = 36
) -> None:
    name = connection.topic_name(topic)
    values = [new_id().encode().ljust(size) for _ in range(many)]
    await asyncio.gather(*(producer.produce(name, None, value, []) for value in values))
