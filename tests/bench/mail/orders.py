"""What the user service asks of the email service, put on Kafka without it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

import confluent_kafka

from shared.events import SendOtp, encode, headers, new_id
from shared.kafka import KafkaConnection
from shared.topics import SEND_OTP
from tests.corner import Corner
from tests.load.arrivals import arriving

LIVES_SECONDS = 30 * 60
FLUSH_SECONDS = 60

Order = Callable[[str, str], None]


def ask(corner: Corner, mails: int) -> set[str]:
    """Leave so many orders on Kafka, acknowledged; returns their event ids."""
    producer, order = _opened(corner)
    event_ids = [new_id() for _ in range(mails)]
    for number, event_id in enumerate(event_ids):
        order(event_id, f"p{number}@example.org")
    _finish(producer)
    return set(event_ids)


def ask_at(corner: Corner, mails: int, rate: float) -> dict[str, float]:
    """Order mails at random times, so many a second; returns when each address's was due."""
    return asyncio.run(_ask_at(corner, mails, rate))


async def _ask_at(corner: Corner, mails: int, rate: float) -> dict[str, float]:
    producer, order = _opened(corner)
    addresses = [f"{new_id()}@example.org" for _ in range(mails)]
    due: dict[str, float] = {}
    async for address, at in arriving(addresses, rate):
        due[address] = at
        order(new_id(), address)
    _finish(producer)
    return due


def _opened(corner: Corner) -> tuple[confluent_kafka.Producer, Order]:
    connection = KafkaConnection(corner.variables["KAFKA_BROKER"], topic_prefix=corner.topic_prefix)
    settings = {
        "acks": "all",
        "enable.idempotence": True,
        "linger.ms": 0,
        "queue.buffering.max.messages": 1_000_000,
    }
    producer = confluent_kafka.Producer(connection.client_config() | settings)
    topic = connection.topic_name(SEND_OTP)
    # The first order must not wait for the client to find its way.
    producer.list_topics(topic, timeout=10)
    return producer, partial(_order, producer, topic)


def _order(producer: confluent_kafka.Producer, topic: str, event_id: str, address: str) -> None:
    now = int(time.time() * 1000)
    event = SendOtp(
        challenge_id=new_id(),
        purpose="register",
        email="one-time-code",
        address=address,
        sequence=1,
        kid="k1",
        issued_at=now,
        expires_at=now + LIVES_SECONDS * 1000,
    )
    told: list[tuple[str, str | bytes | None]] = [*headers(event_id, SEND_OTP.name)]
    producer.produce(topic, encode(event), event.challenge_id, headers=told)
    producer.poll(0)


def _finish(producer: confluent_kafka.Producer) -> None:
    if left := producer.flush(FLUSH_SECONDS):
        raise TimeoutError(f"Kafka did not take {left} orders")
