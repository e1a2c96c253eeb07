"""A producer always comes back, whatever has become of its client."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, MutableMapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from msgspec.structs import replace
from structlog.testing import capture_logs

from shared.events import new_id
from shared.kafka import KafkaConnection, KafkaUnavailable, Producer, lost_brokers, producer
from tests.librdkafka import make_fatal
from tests.no_threads import no_more_threads
from tests.proxy import Proxy

pytestmark = pytest.mark.anyio

NOBODY = "127.0.0.1:1"
REPLACED, NOT_REPLACED = "kafka_producer_replaced", "kafka_producer_not_replaced"


@pytest.fixture
def connection() -> KafkaConnection:
    return KafkaConnection(brokers=os.environ["KAFKA_BROKER"])


@pytest.fixture
async def held(connection: KafkaConnection) -> AsyncIterator[Producer]:
    """A producer that lets a message wait for ever."""
    held = Producer(connection, timeout=None)
    held.start()
    yield held
    await held.close(0)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks often, waits for nothing long."""
    for name in ("LOOK_SECONDS", "QUIET_SECONDS", "SETTLE_SECONDS"):
        monkeypatch.setattr(producer, name, 0.1)
    for module in (producer, lost_brokers):
        monkeypatch.setattr(module, "ANSWER_SECONDS", 0.2)


def new_topic(connection: KafkaConnection) -> str:
    name = new_id()
    topic = NewTopic(name, num_partitions=1, replication_factor=1)
    administrator = AdminClient(connection.client_config())
    administrator.create_topics([topic])[name].result(10)
    return name


async def logged(logs: list[MutableMapping[str, Any]], event: str, reason: str) -> None:
    def told(line: MutableMapping[str, Any]) -> bool:
        return line["event"] == event and reason in line["reason"]

    async with asyncio.timeout(10):
        while not any(map(told, logs)):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_producer_in_a_fatal_state_produces_again(
    connection: KafkaConnection, held: Producer
) -> None:
    topic = new_topic(connection)
    await held.produce(topic, None, b"before", [])
    with capture_logs() as logs:
        make_fatal(held)
        with pytest.raises(KafkaUnavailable):
            await held.produce(topic, None, b"refused", [])
        await logged(logs, REPLACED, "provoked")
        await held.produce(topic, None, b"after", [])
    assert [line["event"] for line in logs] == [REPLACED]


async def test_a_client_is_replaced_only_by_one_that_has_a_thread(
    connection: KafkaConnection, held: Producer
) -> None:
    topic, dead = new_topic(connection), held._client
    with capture_logs() as logs:
        with no_more_threads():
            make_fatal(held)
            await logged(logs, NOT_REPLACED, "thread")
            assert held._client is dead
        await logged(logs, REPLACED, "provoked")
        await held.produce(topic, None, b"after", [])


async def test_a_client_that_lost_all_brokers_is_replaced_once_a_new_one_reaches_them(
    connection: KafkaConnection,
) -> None:
    topic = new_topic(connection)
    lost = Producer(replace(connection, brokers=NOBODY))
    lost.start()
    with capture_logs() as logs:
        # Then no client can be made at all, which the watch must outlive.
        lost._connection = replace(connection, protocol="SSL", ca_file="/nowhere")
        with pytest.raises(KafkaUnavailable):
            await lost.ping(0.1)
        await logged(logs, NOT_REPLACED, "ssl.ca.location")
        # Where a new client needs longer to be connected than it has for one question.
        with Proxy.before(urlsplit(f"//{connection.brokers}").port or 0) as long_wire:
            long_wire.delay(0.08)
            lost._connection = replace(connection, brokers=f"127.0.0.1:{long_wire.port}")
            await logged(logs, REPLACED, "answer a new client")
            await lost.produce(topic, None, b"after", [])
    await lost.close()


async def test_what_brokers_never_acknowledge_is_refused_as_uncertain(
    connection: KafkaConnection, held: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producer, "MOST_SILENT_SECONDS", 0.5)
    with capture_logs() as logs:
        # As a relay's are that was stopped: they must not keep the others from being refused.
        held.enqueue("a-topic-that-is-missing", None, b"given up", []).cancel()
        async with asyncio.timeout(10):
            with pytest.raises(KafkaUnavailable) as refusal:
                await held.produce("a-topic-that-is-missing", None, b"waits", [])
        await logged(logs, REPLACED, "acknowledge nothing")
    assert (str(refusal.value), refusal.value.certain) == ("the client was replaced", False)
    # It may be the brokers' fault: the next client gets more time, until one has succeeded.
    assert held._patience == 2
    await held.produce(new_topic(connection), None, b"after", [])


async def test_a_client_whose_messages_all_time_out_is_replaced_though_none_of_them_waits(
    connection: KafkaConnection,
) -> None:
    hasty = Producer(connection, timeout=0.3)
    hasty.start()
    missing = [hasty.produce("a-topic-that-is-missing", None, b"", []) for _ in range(3)]
    with capture_logs() as logs:
        outcomes = await asyncio.gather(*missing, return_exceptions=True)
        await logged(logs, REPLACED, "acknowledge nothing")
    assert [type(outcome) for outcome in outcomes] == [KafkaUnavailable] * 3
    await hasty.close(0)
