"""What no other service should send: put aside with a reason, and nobody else waits for it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import redis.asyncio

from shared.dead_letters.reading import DeadLetter, DeadLetters
from shared.kafka import KafkaConnection
from shared.topics import FOREIGN
from tests.corner import Corner
from tests.user_service.accounts import settled
from tests.user_service.neighbour import Decisions, Neighbour, headers
from tests.worker_process import WorkerProcess

pytestmark = pytest.mark.anyio

SOMEBODY = "00000000-0000-4000-8000-000000000000"
MEBIBYTE = 2**20


@asynccontextmanager
async def dead_letters(corner: Corner) -> AsyncIterator[DeadLetters]:
    connection = KafkaConnection(
        brokers=corner.variables["KAFKA_BROKER"], topic_prefix=corner.topic_prefix
    )
    async with redis.asyncio.Redis.from_url(corner.redis_url) as client:
        yield DeadLetters(connection, client, FOREIGN)


async def letters_with(corner: Corner, ids: set[str]) -> list[DeadLetter]:
    async with dead_letters(corner) as letters:
        return [letter for letter in await letters.waiting() if letter.event_id in ids]


def update(**fields: Any) -> bytes:
    return msgspec.json.encode({"user_id": SOMEBODY, "name": "Fine"} | fields)


POISON: dict[str, tuple[bytes | None, str]] = {
    "null": (None, "no value"),
    "empty": (b"", "truncated"),
    "not JSON": (b"{not json", "malformed"),
    "no object": (b'["user_id"]', "Expected `object`"),
    "not UTF-8": (b'{"user_id":"' + SOMEBODY.encode() + b'","name":"\xff\xfe"}', ""),
    "UTF-16": (update().decode().encode("utf-16"), "malformed"),
    "gzip": (b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "malformed"),
    "a mebibyte": (update(padding="x" * (MEBIBYTE - 2000)), "more than"),
    "deep": (b'{"more":' * 20_000 + b"1" + b"}" * 20_000, "recursion"),
    "deep arrays": (
        b'{"user_id":"' + SOMEBODY.encode() + b'","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "recursion",
    ),
    "no user": (b'{"name":"Fine"}', "user_id"),
    "user is a number": (update(user_id=7), "user_id"),
    "user is no id": (update(user_id="ann@example.org"), "UUID"),
    "SQL": (update(user_id="' OR 1=1 --"), "UUID"),
    "name is a number": (update(name=7), "name"),
    "name is an object": (update(name={"$ne": None}), "name"),
    "no name left": (update(name="   "), "1 to 100"),
    "long name": (update(name="n" * 101), "1 to 100"),
    "NUL in name": (update(name="a\x00b"), "control"),
    "lines in name": (update(name="Ann\r\nBcc: all@example.org"), "control"),
    "markup": (update(name="<script>"), "control"),
    "link": (update(name="see https://evil.example"), "web address"),
    "right to left": (update(name="\u202egnp.exe"), "control"),
    "unknown user": (update(user_id=str(uuid.uuid4())), ""),
}


@pytest.mark.parametrize("kind", POISON)
async def test_a_value_that_is_no_event_is_put_aside_with_its_reason(
    kind: str, corner: Corner, worker: WorkerProcess, neighbour: Neighbour
) -> None:
    value, detail = POISON[kind]
    dead, id = Decisions.of(worker, "dead"), str(uuid.uuid4())
    neighbour.send("user_updated", value, headers(id=id))
    await dead.reach(1)
    [letter] = await letters_with(corner, {id})
    assert letter.end.reason == ("unknown user" if kind == "unknown user" else "malformed")
    assert detail.lower() in letter.end.detail.lower()
    assert letter.end.topic == f"{corner.topic_prefix}user_updated"
    assert letter.value is None or value is None or value.startswith(letter.value)
    assert worker.process.poll() is None


TOO_LONG = "x" * 201
HEADERS: dict[str, dict[str, str | bytes | None]] = {
    "no id": {"ce_id": None},
    "empty id": {"ce_id": ""},
    "long id": {"ce_id": TOO_LONG},
    "lines in id": {"ce_id": 'x\n{"event":"forged"}'},
    "NUL in id": {"ce_id": b"a\x00"},
    "no UTF-8 in id": {"ce_id": b"\xff"},
    "no source": {"ce_source": None},
    "no UTF-8 in source": {"ce_source": b"crm.example.org\xff"},
    "no time": {"ce_time": None},
    "time is a word": {"ce_time": "now"},
    "time without zone": {"ce_time": "2026-01-01T00:00:00"},
    "time is a number": {"ce_time": "1767225600"},
    "before all time": {"ce_time": "0001-01-01T00:00:00+14:00"},
    "ahead of us": {"ce_time": (datetime.now(UTC) + timedelta(minutes=16)).isoformat()},
    "at the end of time": {"ce_time": "9999-12-31T23:59:59-14:00"},
}


@pytest.mark.parametrize("kind", HEADERS)
async def test_an_event_without_proper_attributes_is_put_aside(
    kind: str, corner: Corner, worker: WorkerProcess, neighbour: Neighbour
) -> None:
    [user_id] = await settled(corner, 1)
    [(name, text)] = HEADERS[kind].items()
    dead = Decisions.of(worker, "dead")
    given = [(each, old) for each, old in headers() if each != name]
    value = msgspec.json.encode({"user_id": user_id})
    neighbour.send("user_deactivated", value, [*given, (name, text)])
    await dead.reach(1)
    if text is None:
        # The header has had no value; now there is none.
        neighbour.send("user_deactivated", value, given)
        await dead.reach(2)
    [row] = await corner.fetch("SELECT status FROM accounts WHERE id = $1", uuid.UUID(user_id))
    assert row["status"] == "active"
    assert not [line for line in worker.lines if line["event"] in ("forged", "event_failed")]


async def test_a_clock_that_is_a_little_ahead_is_believed(
    corner: Corner, worker: WorkerProcess, neighbour: Neighbour
) -> None:
    [user_id] = await settled(corner, 1)
    applied = Decisions.of(worker, "applied")
    neighbour.rename(user_id, "Early", at=datetime.now(UTC) + timedelta(minutes=4))
    await applied.reach(1)


async def test_poison_between_events_holds_nobody_up_and_ends_no_worker(
    corner: Corner, worker: WorkerProcess, neighbour: Neighbour
) -> None:
    users = await settled(corner, 500)
    applied, dead = Decisions.of(worker, "applied"), Decisions.of(worker, "dead")
    poison, ids = list(POISON.values()), set()
    for number, user in enumerate(users):
        if number % 10 == 0:
            ids.add(id := str(uuid.uuid4()))
            neighbour.send("user_updated", poison[number // 10 % len(poison)][0], headers(id=id))
        neighbour.rename(user, "Renamed")
    await applied.reach(500)
    await dead.reach(50)
    assert {letter.event_id for letter in await letters_with(corner, ids)} == ids
    assert worker.process.poll() is None
    assert not [line for line in worker.lines if line["event"] == "event_failed"]
    assert "Bcc" not in worker.log
