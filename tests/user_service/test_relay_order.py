"""The relay keeps the order of every account although its producer's client is replaced."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from confluent_kafka import Consumer
from prometheus_client import CollectorRegistry

from shared.kafka import KafkaConnection, Producer, producer
from shared.kafka.reading import records_so_far
from tests.corner import Corner
from tests.librdkafka import make_fatal
from tests.user_service.accounts import opened
from user_service.outbox import relay
from user_service.outbox.relay import Relay, RelayMetrics

pytestmark = pytest.mark.anyio

TOPIC = "user_registered"
KEYS = [f"replaced-{number}" for number in range(5)]
BATCH = """
    INSERT INTO outbox (topic, key, payload)
    SELECT $1, key, json_build_object('key', key, 'number', number)::text
    FROM generate_series($2::int, $2::int + 99) AS number, unnest($3::text[]) AS key
    ORDER BY number
"""
WAITING = "SELECT FROM outbox WHERE key = ANY($1) AND acknowledged_at IS NULL"


@pytest.fixture
async def waiting(corner: Corner, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Producer]:
    """The producer of a relay that runs."""
    monkeypatch.setattr(relay, "RETRY_SECONDS", 0.1)
    for name in ("LOOK_SECONDS", "SETTLE_SECONDS"):
        monkeypatch.setattr(producer, name, 0.05)
    kafka = KafkaConnection(
        brokers=corner.variables["KAFKA_BROKER"], topic_prefix=corner.topic_prefix
    )
    waiting = Producer(kafka, timeout=None)
    waiting.start()
    stopping = asyncio.Event()
    async with opened(corner) as db:
        works = Relay(db, waiting, kafka, RelayMetrics(CollectorRegistry()))
        relaying = asyncio.create_task(works.run(stopping))
        yield waiting
        stopping.set()
        await relaying
    await waiting.close(0)


async def test_events_in_hand_when_the_client_dies_come_again_in_their_order(
    corner: Corner, waiting: Producer
) -> None:
    async with asyncio.timeout(20):
        for first in range(0, 300, 100):
            await corner.fetch(BATCH, TOPIC, first, KEYS)
            while not waiting._client._waiting:  # noqa: ASYNC110
                await asyncio.sleep(0)
            make_fatal(waiting)
            while await corner.fetch(WAITING, KEYS):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    seen = told(corner)
    for key in KEYS:
        assert list(dict.fromkeys(seen[key])) == list(range(300))


def told(corner: Corner) -> dict[str, list[int]]:
    """The numbers of each account, as the topic holds them."""
    broker = corner.variables["KAFKA_BROKER"]
    client = Consumer({"bootstrap.servers": broker, "group.id": "relay-order"})
    numbers: dict[str, list[int]] = {key: [] for key in KEYS}
    try:
        for record in records_so_far(client, {corner.topic_prefix + TOPIC}):
            event = json.loads(record.value() or b"")
            numbers.get(event.get("key"), []).append(event.get("number"))
    finally:
        client.close()
    return numbers
