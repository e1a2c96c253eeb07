"""No code, password or token in plaintext in Kafka, Redis, Postgres or a log line."""

from __future__ import annotations

import asyncio
import base64
import secrets
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import confluent_kafka
import httpx
import pytest
import redis
from msgspec import Struct

from dev_stack.ports import free_port
from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person, log_in, register, sign_in, verify, wrong
from tests.recoveries import recover, reset, reset_by_link
from tests.service_process import ServiceProcess
from tests.unlimited import UNLIMITED
from tests.user_service.moving import Mover

pytestmark = pytest.mark.anyio

PEOPLE = 50
CODE_NEIGHBOURHOOD = 400


class Secrets(Struct):
    """What each of many people typed, was mailed or was given."""

    passwords: list[str] = []
    codes: list[tuple[str, str]] = []  # with the registration that each belongs to
    recoveries: list[tuple[str, str]] = []
    moves: list[tuple[str, str]] = []
    tokens: list[str] = []


async def _live(service: ServiceProcess, mailroom: Mailroom) -> Secrets:
    """Register, mistype, verify, mistype, log in, read the profile; some never verify, some
    forget their passwords, and some change them and their addresses."""
    known = Secrets()
    async with service.client() as client:
        for number in range(PEOPLE):
            person = Person(password=f"Pw-{secrets.token_hex(12)}", name="Ann Example")
            id = await register(client, person)
            code = mailroom.code(id)
            known.passwords.append(person.password)
            known.codes.append((id, code))
            await verify(client, person, id, wrong(code))
            if number % 5 == 4:
                continue
            await verify(client, person, id, code)
            mistyped = Person(email=person.email, password=f"Typo-{secrets.token_hex(12)}")
            await log_in(client, mistyped)
            known.passwords.append(mistyped.password)
            token = (await log_in(client, person)).json()["data"]["token"]
            known.tokens.append(token)
            await client.get("/v1/me", headers={"authorization": f"Bearer {token}"})
            # What a broken client does: secrets where none belong.
            await client.get("/v1/me", params={"token": token, "password": person.password})
            await client.post(f"/api/auth/{person.password}", json={person.password: code})
            await client.post("/api/auth/login", content=f'{{"password":"{person.password}"')
            if number % 5 == 0:
                await _forget(client, mailroom, person, known)
            if number % 5 == 1:
                await _change(client, mailroom, person, known)
    return known


async def _change(
    client: httpx.AsyncClient, mailroom: Mailroom, person: Person, known: Secrets
) -> None:
    """Change the password, mistype it, and move to another address."""
    mover = Mover(person, await sign_in(client, person))
    new = f"New-{secrets.token_hex(12)}"
    body = {"current_password": person.password, "new_password": new}
    answer = await client.post("/api/auth/change-password", json=body, headers=mover.headers)
    assert answer.status_code == 200, answer.text
    person.password = new
    mistyped = f"Typo-{secrets.token_hex(12)}"
    assert (await mover.ask(client, password=mistyped)).status_code == 403
    id = await mover.begin(client)
    code = mailroom.code(id)
    await mover.verify(client, wrong(code))
    assert (await mover.verify(client, code)).status_code == 200
    known.passwords += (new, mistyped)
    known.moves.append((id, code))
    known.tokens += (mover.tokens.access, mover.tokens.refresh)


async def _forget(
    client: httpx.AsyncClient, mailroom: Mailroom, person: Person, known: Secrets
) -> None:
    """Ask for a new password twice, and set it once by the code and once by the link."""
    for by_link in (False, True):
        id = await recover(client, person)
        code, token = mailroom.code(id), mailroom.link_token(id)
        new = f"New-{secrets.token_hex(12)}"
        if by_link:
            await client.get("/reset", params={"token": token})
            answer = await reset_by_link(client, person, token, new)
        else:
            answer = await reset(client, person, id, code, new)
        assert answer.status_code == 200, answer.text
        known.passwords.append(new)
        known.recoveries.append((id, code))
        known.tokens.append(token)


def _topics(corner: Corner) -> bytes:
    """Every record of every topic of this corner: keys, values and headers."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": corner.variables["KAFKA_BROKER"],
            "group.id": f"dump-{uuid.uuid4()}",
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
        }
    )
    partitions = [
        confluent_kafka.TopicPartition(name, number, 0)
        for name, topic in consumer.list_topics(timeout=10).topics.items()
        if name.startswith(corner.topic_prefix)
        for number in topic.partitions
    ]
    consumer.assign(partitions)
    dump, ended = b"", 0
    while ended < len(partitions):
        message = consumer.poll(10)
        assert message is not None, "the brokers went silent"
        if message.error():
            ended += 1
        else:
            dump += b"%r %r %r\n" % (message.key(), message.value(), message.headers())
    consumer.close()
    return dump


def _redis(corner: Corner) -> bytes:
    """Every key, with its value as text and as what DUMP serializes."""
    client: Any = redis.Redis.from_url(corner.redis_url)
    dump = b""
    for key in client.scan_iter(count=1000):
        kind = client.type(key)
        if kind == b"none":
            continue  # it expired since the scan
        value: object = {
            b"hash": client.hgetall,
            b"string": client.get,
            b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        }[kind](key)
        dump += b"%r %r %r\n" % (key, value, client.dump(key))
    return dump


async def _postgres(corner: Corner) -> bytes:
    """Every row of every table."""
    tables = await corner.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    dump = ""
    for (table,) in tables:
        rows = await corner.fetch(f"SELECT to_jsonb(t)::text AS row FROM {table} t")
        dump += "".join(f"{table} {row['row']}\n" for row in rows)
    return dump.encode()


def _relay(corner: Corner, seconds: float, log: Path) -> None:
    """Let a worker produce what the outbox holds."""
    with log.open("wb") as stream:
        command = [sys.executable, "-m", "user_service", "worker"]
        variables = corner.variables | {"WORKER_PROBE_PORT": str(free_port())}
        worker = subprocess.Popen(command, env=variables, stdout=stream, stderr=stream)
        deadline = time.monotonic() + seconds
        pending = "SELECT FROM outbox WHERE acknowledged_at IS NULL"
        while corner.rows(pending) and time.monotonic() < deadline:
            time.sleep(0.1)
        worker.terminate()
        worker.wait(20)
    assert not corner.rows(pending)


def _spellings(secret: str) -> list[bytes]:
    raw = secret.encode()
    return [raw, base64.b64encode(raw).rstrip(b"="), raw.hex().encode()]


def _found(secret: str, dump: bytes) -> bool:
    return any(spelling in dump for spelling in _spellings(secret))


def _code_beside(id: str, code: str, dump: bytes) -> bool:
    """Whether the digits stand near the registration they belong to: six digits alone may occur."""
    start = 0
    while (at := dump.find(id.encode(), start)) >= 0:
        nearby = dump[max(0, at - CODE_NEIGHBOURHOOD) : at + CODE_NEIGHBOURHOOD]
        if any(spelling in nearby for spelling in _spellings(code)):
            return True
        start = at + 1
    return False


async def test_no_secret_stands_anywhere_in_plaintext(
    corner: Corner, mailroom: Mailroom, tmp_path: Path
) -> None:
    with ServiceProcess.started(corner.variables, **UNLIMITED, LOG_LEVEL="debug") as service:
        known = await _live(service, mailroom)
        await asyncio.to_thread(_relay, corner, 20, tmp_path / "worker.log")
        dumps = {
            "redis": _redis(corner),
            "postgres": await _postgres(corner),
            "kafka": _topics(corner),
            "log": service.log.encode(),
            "worker log": (tmp_path / "worker.log").read_bytes(),
        }
    # The dumps hold what they should, or nothing could be found in them.
    assert all(id.encode() in dumps["kafka"] for id, _ in known.codes)
    assert sum(id.encode() in dumps["redis"] for id, _ in known.codes) == PEOPLE
    assert dumps["postgres"].count(b"$argon2id$") >= PEOPLE * 4 // 5
    assert b"user_logged_in" in dumps["kafka"]
    assert dumps["log"].count(b'"path":"/api/auth/login"') >= PEOPLE
    assert all(id.encode() in dumps["redis"] for id, _ in known.recoveries)
    assert all(id.encode() in dumps["redis"] for id, _ in known.moves)
    assert (len(known.passwords), len(known.tokens), len(known.moves)) == (130, 80, 10)
    codes = known.codes + known.recoveries + known.moves
    for place, dump in dumps.items():
        assert not [secret for secret in known.passwords if _found(secret, dump)], place
        assert not [token for token in known.tokens if _found(token, dump)], place
        # A token without its signature is a claim, but its signature is the secret.
        assert not [t for t in known.tokens if t.rpartition(".")[2].encode() in dump], place
        assert not [id for id, code in codes if _code_beside(id, code, dump)], place
    for line in dumps["log"].splitlines():
        assert b"@example.org" not in line


async def test_an_address_is_in_no_key_of_redis_or_kafka(
    service: ServiceProcess, corner: Corner, mailroom: Mailroom
) -> None:
    person = Person()
    async with service.client() as client:
        id = await register(client, person)
    event = mailroom.about(id)
    assert mailroom.raw[mailroom.events.index(event)].key() == id.encode()
    keys = [key.decode() for key in redis.Redis.from_url(corner.redis_url).scan_iter()]
    assert any(id in key for key in keys)
    assert not [key for key in keys if person.email in key or person.network in key]


async def test_an_internal_error_tells_its_caller_nothing(
    corner: Corner, mailroom: Mailroom
) -> None:
    person = Person(password=f"Pw-{secrets.token_hex(12)}")
    with ServiceProcess.started(corner.variables) as service:
        await _break_a_payload(service, corner, mailroom, person)


async def _break_a_payload(
    service: ServiceProcess, corner: Corner, mailroom: Mailroom, person: Person
) -> None:
    async with service.client() as client:
        id = await register(client, person)
        code = mailroom.code(id)
        redis.Redis.from_url(corner.redis_url).hset(f"challenge:register:{id}", "payload", "{")
        answer = await verify(client, person, id, code)
    assert answer.status_code == 500
    assert set(answer.json()) == {"type", "title", "status", "detail", "code", "request_id"}
    assert "Traceback" not in answer.text
    assert "msgspec" not in answer.text
    (error,) = [line for line in service.lines if line["level"] == "error"]
    assert error["event"] == "unexpected"
    assert code not in error["exception"]
    assert person.password not in error["exception"]
