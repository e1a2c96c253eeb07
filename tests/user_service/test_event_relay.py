"""What the relay makes of the outbox's rows: decoys, erased ones, and those of one statement."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID, uuid4

import confluent_kafka
import pytest
from msgspec import Struct

from shared.events import PasswordResetRequested, SendNotice, UserDeactivated, UserRegistered
from shared.kafka.reading import records_so_far
from shared.topics import LIFECYCLE, MAIL
from tests.corner import Corner
from tests.process_usage import cpu_seconds
from tests.user_service.accounts import opened
from tests.worker_process import WorkerProcess
from user_service.outbox import outbox_store
from user_service.outbox.relay import BATCH
from user_service.storage.postgres import Database

pytestmark = pytest.mark.anyio

AGE = "gatepost_outbox_oldest_seconds"
NAMES = [topic.name for topic in (*MAIL, *LIFECYCLE)]


@pytest.fixture
async def db(corner: Corner) -> AsyncIterator[Database]:
    async with opened(corner) as db:
        yield db


def about(key: UUID, corner: Corner) -> list[tuple[str, bytes]]:
    """Topic and value of every record with this key."""
    client = confluent_kafka.Consumer(
        {"bootstrap.servers": corner.variables["KAFKA_BROKER"], "group.id": "relay-test"}
    )
    try:
        return [
            ((record.topic() or "").removeprefix(corner.topic_prefix), _bytes(record.value()))
            for record in records_so_far(client, {corner.topic_prefix + name for name in NAMES})
            if _bytes(record.key()) == str(key).encode()
        ]
    finally:
        client.close()


def _bytes(field: str | bytes | None) -> bytes:
    return field.encode() if isinstance(field, str) else field or b""


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not await holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def pending(corner: Corner, *keys: UUID) -> int:
    query = "SELECT FROM outbox WHERE key = ANY($1) AND acknowledged_at IS NULL"
    return len(await corner.fetch(query, [str(key) for key in keys]))


def asked(key: UUID, version: int = 2) -> PasswordResetRequested:
    return PasswordResetRequested(
        user_id=str(key), account_version=version, requested_at=datetime.now(UTC)
    )


async def test_a_decoy_is_acknowledged_and_reaches_nobody(corner: Corner, db: Database) -> None:
    known, unknown = uuid4(), uuid4()
    async with db.transaction() as tx:
        await outbox_store.put(tx, unknown, asked(unknown), decoy=True)
        await outbox_store.put(tx, known, asked(known))
    with WorkerProcess.started(corner.variables) as worker:
        worker.come_up()
        relayed = "gatepost_events_relayed_total"

        async def all_done() -> bool:
            return await pending(corner, known, unknown) == 0 and worker.metric(relayed) > 0

        await until(all_done)
    assert [topic for topic, _ in about(known, corner)] == ["password_reset_requested"]
    assert about(unknown, corner) == []


async def test_the_age_of_what_waits_is_not_the_age_of_a_decoy(
    corner: Corner, db: Database
) -> None:
    decoy, real = uuid4(), uuid4()
    await corner.fetch("UPDATE outbox SET acknowledged_at = now() WHERE acknowledged_at IS NULL")
    async with db.transaction() as tx:
        for key, hours in ((decoy, 9), (real, 1)):
            await outbox_store.put(tx, key, asked(key), decoy=key == decoy)
            await tx.execute(
                "UPDATE outbox SET created_at = now() - $2 * interval '1 hour' WHERE key = $1",
                str(key),
                hours,
            )
    # Nothing answers there, so both of them wait.
    with WorkerProcess.started(corner.variables, KAFKA_BROKER="127.0.0.1:1") as worker:
        worker.come_up()

        async def seen() -> bool:
            return worker.metric(AGE) > 0

        await until(seen)
        assert 3600 <= worker.metric(AGE) < 2 * 3600


async def test_a_topic_that_kafka_refuses_holds_up_no_other(corner: Corner, db: Database) -> None:
    """As one that is missing or forbidden does, of which more waits than a batch holds."""
    refused, real = f"refused-{uuid4()}", uuid4()
    await corner.fetch("UPDATE outbox SET acknowledged_at = now() WHERE acknowledged_at IS NULL")
    await corner.fetch(
        """
        INSERT INTO outbox (topic, key, payload)
        SELECT 'no topic of Kafka''s', $1, '{}' FROM generate_series(1, $2)
        """,
        refused,
        2 * BATCH,
    )
    async with db.transaction() as tx:
        await outbox_store.put(tx, real, asked(real))
    try:
        with WorkerProcess.started(corner.variables) as worker:
            worker.come_up()

            async def relayed() -> bool:
                return await pending(corner, real) == 0

            await until(relayed)
            assert worker.metric(AGE) > 0
        assert len(about(real, corner)) == 1
    finally:
        await corner.fetch("DELETE FROM outbox WHERE key = $1", refused)


async def test_what_waits_has_an_age_though_another_worker_holds_the_relays_lock(
    corner: Corner, db: Database
) -> None:
    key = uuid4()
    async with db.transaction() as relaying:
        assert await outbox_store.claim(relaying)
        # Of a host that vanishes in the middle of it, Postgres is to hear in time.
        assert await relaying.fetchval("SHOW tcp_keepalives_idle") == "10"
        async with db.transaction() as tx:
            await outbox_store.put(tx, key, asked(key))
        with WorkerProcess.started(corner.variables) as worker:
            worker.come_up()

            async def seen() -> bool:
                return worker.metric(AGE) > 0

            await until(seen)


async def test_what_a_deletion_erases_goes_out_whole_and_is_kept_without_the_person(
    corner: Corner, db: Database
) -> None:
    key = uuid4()
    registered = UserRegistered(
        user_id=str(key),
        email="ann@example.org",
        name="Ann Example",
        username="ann",
        account_version=1,
        registered_at=datetime.now(UTC),
    )
    told = SendNotice(
        email="password-changed",
        address="ann@example.org",
        occurred_at=datetime.now(UTC),
        user_id=str(key),
        facts={"where": "192.0.2.1"},
    )
    async with db.transaction() as tx:
        await outbox_store.put(tx, key, registered, told)
        await outbox_store.erase(tx, key)
    with WorkerProcess.started(corner.variables):

        async def gone() -> bool:
            return await pending(corner, key) == 0

        await until(gone)
    values = {topic: json.loads(value) for topic, value in about(key, corner)}
    assert values["user_registered"]["email"] == "ann@example.org"
    assert values["send-notice"]["address"] == "ann@example.org"
    rows = await corner.fetch("SELECT payload FROM outbox WHERE key = $1 ORDER BY id", str(key))
    kept = [json.loads(row["payload"]) for row in rows]
    assert kept[0] == json.loads(json.dumps(values["user_registered"])) | {
        "email": None,
        "name": None,
        "username": None,
    }
    assert (kept[1]["address"], kept[1]["facts"]) == (None, None)


async def test_events_of_one_statement_are_numbered_in_their_order(
    corner: Corner, db: Database
) -> None:
    key = uuid4()
    now = datetime.now(UTC)
    many: list[Struct] = []
    for number in range(1, 1001, 2):
        many.append(asked(key, number))
        many.append(
            UserDeactivated(user_id=str(key), account_version=number + 1, deactivated_at=now)
        )
    async with db.transaction() as tx:
        await outbox_store.put(tx, key, *many)
    rows = await corner.fetch("SELECT payload FROM outbox WHERE key = $1 ORDER BY id", str(key))
    versions = [json.loads(row["payload"])["account_version"] for row in rows]
    assert versions == list(range(1, 1001))


BACKLOG = """
    INSERT INTO outbox (topic, key, payload)
    SELECT ($2::text[])[1 + number % cardinality($2::text[])], key, json_build_object(
        'version', 1, 'user_id', key, 'email', 'person@example.org', 'name', 'Ann Example',
        'account_version', number, 'registered_at', now())::text
    FROM generate_series(1, $1::int) AS number, md5((number % 500)::text) AS key
"""


async def test_a_core_relays_two_thousand_events_a_second_and_idles_for_next_to_nothing(
    corner: Corner,
) -> None:
    with WorkerProcess.started(corner.variables) as worker:
        worker.come_up()

        async def drained() -> bool:
            return not await corner.fetch("SELECT FROM outbox WHERE acknowledged_at IS NULL")

        await until(drained)
        before = cpu_seconds(worker.process.pid)
        await asyncio.sleep(2)
        idle = (cpu_seconds(worker.process.pid) - before) / 2
        before = cpu_seconds(worker.process.pid)
        await corner.fetch(BACKLOG, 10_000, [topic.name for topic in LIFECYCLE])
        await until(drained, 60)
        rate = 10_000 / (cpu_seconds(worker.process.pid) - before)
    print(f"{rate:.0f} events per CPU second, idle {idle:.1%}")
    assert rate > 2_000
    assert idle < 0.05
