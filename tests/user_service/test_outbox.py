"""The outbox: what is committed with an account is told once it is, in order and at least once."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any, cast

import asyncpg
import confluent_kafka
import pytest

from dev_stack.ports import free_port
from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person, log_in, member
from tests.service_process import ServiceProcess
from user_service.outbox import outbox_store
from user_service.storage.postgres import Transaction

LOGINS = 8


class Ear:
    """Hears every record of two topics from their beginning."""

    def __init__(self, corner: Corner) -> None:
        self._consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": corner.variables["KAFKA_BROKER"],
                "group.id": f"ear-{uuid.uuid4()}",
                "auto.offset.reset": "earliest",
            }
        )
        names = [f"{corner.topic_prefix}{name}" for name in ("user_registered", "user_logged_in")]
        self._consumer.assign(
            [
                confluent_kafka.TopicPartition(name, number, 0)
                for name in names
                for number in self._consumer.list_topics(name, 10).topics[name].partitions
            ]
        )
        self.heard: list[confluent_kafka.Message] = []

    def about(self, user_id: str, many: int) -> list[confluent_kafka.Message]:
        """The records about one user, once there are so many; waits a moment for one too many."""
        deadline = time.monotonic() + 15
        while len(self._of(user_id)) < many and time.monotonic() < deadline:
            self._listen(0.2)
        self._listen(0.3)
        return self._of(user_id)

    def close(self) -> None:
        self._consumer.close()

    def _of(self, user_id: str) -> list[confluent_kafka.Message]:
        return [message for message in self.heard if message.key() == user_id.encode()]

    def _listen(self, seconds: float) -> None:
        message = self._consumer.poll(seconds)
        if message is not None and not message.error():
            self.heard.append(message)
            self.heard += [m for m in self._consumer.consume(1000, 0.05) if not m.error()]


@pytest.fixture
def ear(corner: Corner) -> Iterator[Ear]:
    ear = Ear(corner)
    yield ear
    ear.close()


@pytest.fixture(scope="module")
def workers(corner: Corner) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two of them, as when a new version replaces an old one."""
    command = [sys.executable, "-m", "user_service", "worker"]
    variables = [
        corner.variables | {"WORKER_PROBE_PORT": str(port)} for port in (free_port(), free_port())
    ]
    started = [subprocess.Popen(command, env=each, stdout=subprocess.DEVNULL) for each in variables]
    yield started
    for worker in started:
        worker.terminate()
    assert [worker.wait(20) for worker in started] == [0, 0]


async def _with_logins(
    service: ServiceProcess, mailroom: Mailroom
) -> tuple[str, Person, list[str]]:
    """Somebody's id, the person, and the tokens of several logins."""
    person = await member(
        service, mailroom, name="Ann Example", username=f"u{uuid.uuid4().hex[:8]}"
    )
    async with service.client() as client:
        answers = [await log_in(client, person) for _ in range(LOGINS)]
    data: list[dict[str, Any]] = [answer.json()["data"] for answer in answers]
    return data[0]["user"]["id"], person, [each["token"] for each in data]


def test_events_are_told_once_in_order_and_hold_no_token(
    service: ServiceProcess,
    mailroom: Mailroom,
    corner: Corner,
    ear: Ear,
    workers: list[subprocess.Popen[bytes]],
) -> None:
    user_id, person, tokens = asyncio.run(_with_logins(service, mailroom))
    records = ear.about(user_id, 1 + LOGINS)
    topics = [(record.topic() or "").removeprefix(corner.topic_prefix) for record in records]
    assert sorted(topics) == ["user_logged_in"] * LOGINS + ["user_registered"]
    values = [json.loads(record.value() or b"") for record in records]
    registered = values.pop(topics.index("user_registered"))
    assert registered.keys() == {
        "version",
        "user_id",
        "email",
        "name",
        "username",
        "account_version",
        "registered_at",
    }
    assert (registered["email"], registered["name"]) == (person.email, person.name)
    assert registered["account_version"] == 1
    assert [value["account_version"] for value in values] == list(range(2, LOGINS + 2))
    for value in values:
        assert value.keys() == {
            "version",
            "user_id",
            "session_id",
            "account_version",
            "logged_in_at",
        }
    for record in records:
        told = b"%r %r" % (record.value(), record.headers())
        assert not any(token.encode() in told for token in tokens)
        assert person.password.encode() not in told


def test_events_are_cloud_events_of_one_id_each(
    service: ServiceProcess,
    mailroom: Mailroom,
    corner: Corner,
    ear: Ear,
    workers: list[subprocess.Popen[bytes]],
) -> None:
    user_id, _, _ = asyncio.run(_with_logins(service, mailroom))
    records = ear.about(user_id, 1 + LOGINS)
    ids = set()
    for record in records:
        headers = _headers(record)
        assert headers["ce_specversion"] == "1.0"
        assert headers["ce_type"] == (record.topic() or "").removeprefix(corner.topic_prefix)
        assert headers["ce_source"] == "gatepost/user-service"
        assert headers["ce_time"].endswith("+00:00")
        assert headers["content-type"] == "application/json"
        ids.add(headers["ce_id"])
    rows = corner.rows("SELECT event_id, acknowledged_at FROM outbox WHERE key = $1", user_id)
    assert ids == {str(row["event_id"]) for row in rows}
    assert all(row["acknowledged_at"] for row in rows)


def _headers(record: confluent_kafka.Message) -> dict[str, str]:
    pairs = cast("list[tuple[str, bytes]]", record.headers())
    return {name: value.decode() for name, value in pairs}


def test_two_workers_never_relay_at_the_same_time(
    corner: Corner, ear: Ear, workers: list[subprocess.Popen[bytes]]
) -> None:
    # So that both would have to take these events: their acknowledgement is held up for a while.
    key = str(uuid.uuid4())
    asyncio.run(_held_up(corner, key, 5))
    values = [json.loads(record.value() or b"") for record in ear.about(key, 5)]
    assert values == [0, 1, 2, 3, 4]


async def _held_up(corner: Corner, key: str, many: int) -> None:
    connection = await asyncpg.connect(corner.database_url)
    insert = "INSERT INTO outbox (topic, key, payload) VALUES ('user_logged_in', $1, $2)"
    async with connection.transaction():
        for number in range(many):
            await connection.execute(insert, key, str(number))
    async with connection.transaction():
        await connection.execute("SELECT FROM outbox WHERE key = $1 FOR UPDATE", key)
        await asyncio.sleep(1)
    await connection.close()


def test_what_was_acknowledged_a_week_ago_is_swept_and_nothing_younger(corner: Corner) -> None:
    key = str(uuid.uuid4())
    ages = {"8 days": True, "6 days": True, "30 days": False}
    for age, acknowledged in ages.items():
        corner.rows(
            """
            INSERT INTO outbox (topic, key, payload, created_at, acknowledged_at)
            VALUES ('user_registered', $1, json_build_object('age', $2::text),
                    now() - $2::text::interval, CASE WHEN $3 THEN now() - $2::text::interval END)
            """,
            key,
            age,
            acknowledged,
        )
    command = [sys.executable, "-m", "user_service", "worker"]
    variables = corner.variables | {"WORKER_PROBE_PORT": str(free_port())}
    worker = subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        left = {
            json.loads(row["payload"])["age"]
            for row in corner.rows("SELECT payload FROM outbox WHERE key = $1", key)
        }
        if "8 days" not in left:
            break
        time.sleep(0.1)
    worker.terminate()
    assert worker.wait(20) == 0
    assert left == {"6 days", "30 days"}


@pytest.mark.anyio
async def test_a_server_that_takes_no_writes_is_noticed_before_anything_is_produced(
    corner: Corner,
) -> None:
    connection = await asyncpg.connect(corner.database_url)
    try:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            async with connection.transaction(readonly=True):
                await outbox_store.claim(cast(Transaction, connection))
    finally:
        await connection.close()
