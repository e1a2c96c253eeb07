"""The parts are real servers: they keep data, survive what fault tests do, and go away."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio.to_thread
import asyncpg
import pytest
import redis
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from dev_stack import kafka, kafka_jars, kafka_mock, parts, postgres, valkey
from dev_stack.part import REPOSITORY, Part, PartFailed
from dev_stack.ports import answers
from shared import topics


@pytest.fixture
def owned() -> Iterator[Callable[[Part], Part]]:
    """Kills at the end what a test has started."""
    started: list[Part] = []

    def own(part: Part) -> Part:
        started.append(part)
        return part

    yield own
    for part in started:
        part.kill()


def test_valkey_keeps_acknowledged_writes_through_kill_and_restart(
    home: Path, owned: Callable[[Part], Part]
) -> None:
    part = owned(valkey.start(home))
    client = redis.Redis(port=part.port)
    client.set("key", "value")
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    time.sleep(1.1)  # everysec

    before = part.pid
    part.kill()
    assert not answers(part.port)
    part.start()

    assert part.pid != before
    assert client.get("key") == b"value"


@pytest.mark.anyio
async def test_postgres_keeps_committed_rows_through_kill_and_restart(
    home: Path, owned: Callable[[Part], Part]
) -> None:
    part = owned(await anyio.to_thread.run_sync(postgres.start, home))
    connection = await asyncpg.connect(part.url)
    assert str(await connection.fetchval("SHOW server_version")).startswith("18")
    await connection.execute("CREATE TABLE kept AS SELECT 1 AS one")

    await anyio.to_thread.run_sync(part.kill)
    await anyio.to_thread.run_sync(part.start)

    connection = await asyncpg.connect(part.url)
    assert await connection.fetchval("SELECT one FROM kept") == 1
    await connection.close()


@pytest.mark.anyio
async def test_frozen_postgres_hangs_open_connections_until_it_is_thawed(
    home: Path, owned: Callable[[Part], Part]
) -> None:
    part = owned(await anyio.to_thread.run_sync(postgres.start, home))
    connection = await asyncpg.connect(part.url)
    part.freeze()
    with pytest.raises(TimeoutError):
        await connection.fetchval("SELECT 1", timeout=0.3)
    part.thaw()
    await connection.close(timeout=5)
    assert await (await asyncpg.connect(part.url)).fetchval("SELECT 2") == 2


def test_kafka_keeps_messages_through_kill_and_restart(
    home: Path, owned: Callable[[Part], Part]
) -> None:
    part = owned(kafka.start(home))
    admin = AdminClient({"bootstrap.servers": part.url})
    admin.create_topics([NewTopic("kept", 1, 1)])["kept"].result(10)
    producer = Producer({"bootstrap.servers": part.url, "log_level": 0})
    producer.produce("kept", b"message")
    assert producer.flush(10) == 0

    part.kill()
    part.start()

    consumer = Consumer({"bootstrap.servers": part.url, "group.id": "readers"})
    consumer.assign([TopicPartition("kept", 0, 0)])
    message = consumer.poll(15)
    consumer.close()
    assert message is not None
    assert message.value() == b"message"


def test_kafka_creates_no_topic_unasked(home: Path, owned: Callable[[Part], Part]) -> None:
    part = owned(kafka.start(home))
    admin = AdminClient({"bootstrap.servers": part.url})
    assert admin.list_topics("unknown", timeout=5).topics["unknown"].error is not None
    assert "unknown" not in admin.list_topics(timeout=5).topics


def test_mock_broker_holds_the_topics(home: Path, owned: Callable[[Part], Part]) -> None:
    part = owned(kafka_mock.start(home))
    admin = AdminClient({"bootstrap.servers": part.url})
    assert admin.list_topics(timeout=5).topics.keys() >= {topic.name for topic in topics.ALL}


def test_without_java_the_mock_broker_stands_in_with_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    only_kafka_is_unnamed(monkeypatch)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CI", raising=False)
    said: list[str] = []
    with parts.disposable(said.append) as stack:
        assert stack.variables.keys() == {"KAFKA_BROKER"}
    assert "mock broker" in said[0]


def test_without_java_ci_refuses_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    only_kafka_is_unnamed(monkeypatch)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(kafka_jars.NoKafka, match="java"), parts.disposable():
        pass


def only_kafka_is_unnamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_HOST", "db.example.org")
    monkeypatch.setenv("REDIS_URL", "redis://redis.example.org")
    monkeypatch.delenv("KAFKA_BROKER", raising=False)


def test_part_that_cannot_start_shows_the_end_of_its_log(
    home: Path, owned: Callable[[Part], Part]
) -> None:
    running = owned(valkey.start(home))
    with pytest.raises(PartFailed, match="in use"):
        valkey.start(home, port=running.port)


def test_parts_die_with_the_process_that_started_them(home: Path) -> None:
    program = (
        "import sys, time, pathlib; from dev_stack import valkey;"
        "print(valkey.start(pathlib.Path(sys.argv[1])).port, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(home)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        port = int(parent.stdout.readline())
        assert answers(port)
        parent.kill()
    time.sleep(0.3)
    assert not answers(port)
