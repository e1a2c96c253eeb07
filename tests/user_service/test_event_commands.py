"""`python -m user_service events …`, as an operator types it."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import confluent_kafka
import pytest

from shared.events import SendNotice, UserLoggedIn, UserRegistered
from shared.kafka import KafkaConnection, create_topics
from shared.kafka.reading import records_so_far
from shared.topics import LIFECYCLE, MAIL, USER_UPDATED
from tests import forked
from tests.corner import Corner
from tests.shared.foreign_producer import produce_with_header
from tests.user_service.accounts import opened, settled
from tests.user_service.neighbour import STRANGER, Decisions, Neighbour, headers
from tests.worker_process import WorkerProcess
from user_service.cli.event_lines import Heard
from user_service.outbox import outbox_store

NAMES = [topic.name for topic in (*MAIL, *LIFECYCLE)]


def command(corner: Corner, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    variables = corner.variables | {"COLUMNS": "200"} | settings
    return forked.ran("user_service", "events", *arguments, variables=variables)


@contextmanager
def tailing(corner: Corner, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "user_service", "events", "tail", *arguments],
        env=corner.variables | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def told(corner: Corner, user_id: UUID) -> list[tuple[str, str, bytes]]:
    """Topic, event id and value of every record about a user."""
    client = confluent_kafka.Consumer(
        {"bootstrap.servers": corner.variables["KAFKA_BROKER"], "group.id": "commands"}
    )
    found = []
    try:
        for record in records_so_far(client, {corner.topic_prefix + name for name in NAMES}):
            if record.key() == str(user_id).encode():
                given: dict[str, Any] = dict(record.headers() or [])
                topic = (record.topic() or "").removeprefix(corner.topic_prefix)
                value = record.value()
                assert isinstance(value, bytes)
                found.append((topic, given["ce_id"].decode(), value))
    finally:
        client.close()
    return found


async def _put(corner: Corner, user_id: UUID, logins: int) -> None:
    now = datetime.now(UTC)
    registered = UserRegistered(
        user_id=str(user_id),
        email="ann@example.org",
        name="Ann Example",
        username=None,
        account_version=1,
        registered_at=now,
    )
    notice = SendNotice(email="password-changed", address="ann@example.org", occurred_at=now)
    times = [
        UserLoggedIn(
            user_id=str(user_id), session_id=str(uuid4()), account_version=number, logged_in_at=now
        )
        for number in range(2, 2 + logins)
    ]
    async with opened(corner) as db, db.transaction() as tx:
        await outbox_store.put(tx, user_id, registered, notice, *times)
        await outbox_store.put(tx, user_id, registered, decoy=True)


def relayed(corner: Corner, user_id: UUID) -> None:
    with WorkerProcess.forked(corner.variables):
        deadline = time.monotonic() + 30
        query = "SELECT FROM outbox WHERE key = $1 AND acknowledged_at IS NULL"
        while corner.rows(query, str(user_id)):
            assert time.monotonic() < deadline
            time.sleep(0.05)


@contextmanager
def outbox_slow(corner: Corner, seconds: float) -> Iterator[None]:
    """Nobody reads the outbox for so long, as nobody is done soon with many millions of events."""

    async def hold() -> None:
        async with opened(corner) as db, db.transaction() as tx:
            await tx.execute("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE")
            locked.set()
            await asyncio.sleep(seconds)

    locked = threading.Event()
    holder = threading.Thread(target=lambda: asyncio.run(hold()))
    holder.start()
    locked.wait(10)
    yield
    holder.join()


@pytest.fixture(scope="module")
def user_id(corner: Corner) -> UUID:
    """Somebody of whom 1 registration, 3 logins, a notice and a decoy are told."""
    user_id = uuid4()
    asyncio.run(_put(corner, user_id, logins=3))
    relayed(corner, user_id)
    return user_id


def test_a_replay_sends_the_same_events_in_order_and_no_mail(corner: Corner, user_id: UUID) -> None:
    before = told(corner, user_id)
    dry = command(corner, "replay", "--user", str(user_id), "--dry-run")
    assert (dry.returncode, dry.stdout) == (0, "4 would be produced again.\n")
    assert sorted(told(corner, user_id)) == sorted(before)

    done = command(corner, "replay", "--user", str(user_id))
    assert (done.returncode, done.stdout) == (0, "4 of 4 were produced again.\n")
    after = told(corner, user_id)
    for topic in NAMES:
        was = [event for event in before if event[0] == topic]
        now = [event for event in after if event[0] == topic]
        assert now == (was if topic == "send-notice" else was * 2)


def test_a_replay_may_look_for_longer_than_a_request(corner: Corner, user_id: UUID) -> None:
    with outbox_slow(corner, 2.8):
        dry = command(corner, "replay", "--user", str(user_id), "--dry-run")
    assert (dry.returncode, dry.stdout) == (0, "4 would be produced again.\n")


def test_a_replay_can_be_narrowed_by_topic_and_time(corner: Corner, user_id: UUID) -> None:
    def counted(*arguments: str) -> str:
        done = command(corner, "replay", "--user", str(user_id), "--dry-run", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()[0]

    assert counted("--topic", "user_logged_in") == "3"
    assert counted("--topic", "user_logged_in", "--topic", "user_registered") == "4"
    assert counted("--since", "1h") == "4"
    assert counted("--until", "1h") == "0"
    assert counted("--since", "2999-01-01T00:00") == "0"
    refused = command(corner, "replay", "--topic", "send-notice")
    assert refused.returncode == 2
    assert command(corner, "replay", "--since", "yesterday").returncode == 2


@pytest.mark.anyio
async def test_what_still_waits_is_left_to_the_worker_and_said(corner: Corner) -> None:
    user_id = uuid4()
    async with opened(corner) as db, db.transaction() as tx:
        # Whatever worker runs besides must not relay it meanwhile.
        await tx.execute("SELECT pg_advisory_xact_lock($1)", outbox_store.RELAY_LOCK)
        await _put(corner, user_id, logins=2)
        done = await asyncio.to_thread(command, corner, "replay", "--user", str(user_id))
        assert "3 wait for their first time" in done.stdout
        assert "0 of 0 were produced again." in done.stdout
        assert told(corner, user_id) == []


def test_silent_brokers_are_told_plainly(corner: Corner, user_id: UUID) -> None:
    ask = partial(command, corner, KAFKA_BROKER="127.0.0.1:1")
    with ThreadPoolExecutor() as pool:
        asked = [
            pool.submit(ask, "replay", "--user", str(user_id)),
            pool.submit(ask, "tail"),
            pool.submit(ask, "dead-letters", "list"),
        ]
    for done in (each.result() for each in asked):
        assert done.returncode == 1, done.args
        assert "Traceback" not in done.stderr


def test_tail_shows_events_and_hides_who_they_are_about(corner: Corner) -> None:
    user_id = uuid4()
    asyncio.run(_put(corner, user_id, logins=3))
    relayed(corner, user_id)
    with tailing(corner, "--from", "beginning", "--user", str(user_id)) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
        assert process.returncode == 0
    assert not errors
    [registered] = [line for line in lines if "user_registered" in line]
    assert "email=a***@example.org" in registered
    assert "account_version=1" in registered
    assert not [line for line in lines if "Ann Example" in line or "ann@" in line]


@pytest.mark.anyio
async def test_a_foreign_header_that_is_no_text_does_not_end_a_tail() -> None:
    brokers = os.environ["KAFKA_BROKER"]
    connection = KafkaConnection(brokers=brokers, topic_prefix=f"{uuid4().hex[:8]}-")
    await create_topics(connection, [USER_UPDATED])
    topic = connection.topic_name(USER_UPDATED)
    await asyncio.to_thread(produce_with_header, brokers, topic, b"caf\xe9")
    client = confluent_kafka.Consumer({"bootstrap.servers": brokers, "group.id": "tail"})
    try:
        heard = [Heard.of(each, "") for each in records_so_far(client, {topic})]
    finally:
        client.close()
    assert [(each.event, each.source) for each in heard] == [("value", "")]


def test_tail_from_now_shows_what_comes_whole_as_json(corner: Corner, neighbour: Neighbour) -> None:
    user_id = str(uuid4())
    with tailing(corner, "--topic", "user_updated", "--user", user_id, "--json") as process:
        assert process.stdout is not None
        deadline, line = time.monotonic() + 30, ""
        while not line:
            assert time.monotonic() < deadline
            # Said again until it listens.
            neighbour.rename(user_id, "\x1b[2J\u202eBen", source=STRANGER)
            neighbour.arrive()
            line = _read_within(process, 0.5)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
        assert process.returncode == 0
    event = json.loads(line)
    assert event["event"] == {"user_id": user_id, "name": "\x1b[2J\u202eBen"}
    assert (event["topic"], event["source"]) == ("user_updated", STRANGER)
    assert line.isascii()
    assert "\x1b" not in line


def _read_within(process: subprocess.Popen[str], seconds: float) -> str:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], seconds)
    return process.stdout.readline() if ready else ""


@pytest.mark.anyio
async def test_an_unusable_event_is_listed_shown_mended_and_replayed(
    corner: Corner, worker: WorkerProcess, neighbour: Neighbour
) -> None:
    [gone, user_id] = await settled(corner, 2)
    await corner.fetch("DELETE FROM accounts WHERE id = $1", UUID(gone))
    dead, applied = Decisions.of(worker, "dead"), Decisions.of(worker, "applied")
    id, hostile = str(uuid4()), str(uuid4())
    neighbour.rename(gone, "Too Early", id=id)
    neighbour.send("user_deactivated", b"\x1b[31m", headers(id=hostile))
    await dead.reach(2)

    listed = await asyncio.to_thread(command, corner, "dead-letters", "list")
    assert id in listed.stdout
    assert "unknown user" in listed.stdout
    assert "\x1b" not in listed.stdout
    assert "Too Early" not in listed.stdout

    as_json = await asyncio.to_thread(command, corner, "dead-letters", "list", "--json")
    rows = {row["event_id"]: row for row in map(json.loads, as_json.stdout.splitlines())}
    shown = await asyncio.to_thread(command, corner, "dead-letters", "show", rows[id]["id"])
    assert json.loads(shown.stdout)["content"]["name"] == "Too Early"

    await corner.fetch("UPDATE accounts SET id = $1 WHERE id = $2", UUID(gone), UUID(user_id))
    done = await asyncio.to_thread(command, corner, "dead-letters", "replay", rows[id]["id"])
    assert done.returncode == 0, done.stderr
    await applied.reach(1)
    dropped = await asyncio.to_thread(command, corner, "dead-letters", "drop", rows[hostile]["id"])
    assert dropped.returncode == 0, dropped.stderr
    left = await asyncio.to_thread(command, corner, "dead-letters", "list", "--json")
    assert not {id, hostile} & {json.loads(line)["event_id"] for line in left.stdout.splitlines()}
