"""Consuming two topics at once: what sticks in one does not hold up the other."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, cast

import pytest
from confluent_kafka import TopicPartition
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
from tests.shared.foreign_producer import produce_with_header


@dataclass
class Record:
    number: int

    def topic(self) -> str:
        return "topic"

    def partition(self) -> int:
        return self.number

    def offset(self) -> int:
        return 7

    def error(self) -> None:
        return None

    def value(self) -> None:
        return None

    key = headers = value


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


async def test_what_was_held_back_goes_on_with_whoever_gets_it_in_a_rebalance(
    connection: KafkaConnection, producer: Producer
) -> None:
    reader = Reader()

    def member() -> Consumer:
        return Consumer(
            connection,
            group="reader",
            topics=[SEND_OTP],
            handle=reader.handle,
            most_undecided=MOST,
        )

    first, second = member(), member()
    consuming = [asyncio.create_task(first.run())]
    await _produce(producer, connection, SEND_OTP, 2000, size=FETCHED_AHEAD // 1000)
    await reader.has_taken(SEND_OTP, MOST)
    await asyncio.sleep(0.2)  # it is held back by then
    before = len(reader.taken[SEND_OTP.name])
    consuming.append(asyncio.create_task(second.run()))
    await reader.has_taken(SEND_OTP, before + 1)
    reader.free[SEND_OTP.name].set()
    async with asyncio.timeout(15):
        while len(set(reader.taken[SEND_OTP.name])) < 2000:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    for consumer in (first, second):
        consumer.stop()
    await asyncio.wait_for(asyncio.gather(*consuming), 20)


async def test_a_record_whose_partition_leaves_while_the_next_are_taken_is_not_ours(
    connection: KafkaConnection,
) -> None:
    reader = Reader()
    consumer = Consumer(connection, group="reader", topics=[SEND_OTP], handle=reader.handle)

    class Client:
        """Hands out a record of each partition, and takes back the first one in between."""

        def poll(self, _timeout: float) -> Record:
            return Record(0)

        def consume(self, _most: int, _timeout: float) -> list[Record]:
            consumer._let_go([TopicPartition("topic", 0)])
            return [Record(1)]

    consumer._loop = asyncio.get_running_loop()
    consumer._take(cast(Any, Client()))
    assert list(consumer._assignments) == [("topic", 1)]
    for task in consumer._tasks:
        task.cancel()


async def test_a_header_whose_name_is_no_text_stops_nobody(
    connection: KafkaConnection, producer: Producer
) -> None:
    reader = Reader()
    reader.free[SEND_OTP.name].set()
    await asyncio.to_thread(
        produce_with_header, connection.brokers, connection.topic_name(SEND_OTP), b"\xff\xfe"
    )
    await _produce(producer, connection, SEND_OTP, 1)
    consumer = Consumer(connection, group="reader", topics=[SEND_OTP], handle=reader.handle)
    consuming = asyncio.create_task(consumer.run())
    await reader.has_taken(SEND_OTP, 2)
    consumer.stop()
    await asyncio.wait_for(consuming, 20)


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
