"""The worker is killed, doubled or cut off from Kafka: every event goes out, in order."""

from __future__ import annotations

import asyncio
import json
import secrets
from contextlib import ExitStack
from dataclasses import dataclass

import asyncpg
import confluent_kafka
import pytest

from shared.topics import LIFECYCLE
from tests.faults.house import House, until
from tests.people import log_in, member
from tests.worker_process import WorkerProcess

pytestmark = pytest.mark.anyio

TOPIC = "user_registered"


@dataclass(frozen=True)
class Batch:
    """Events of some accounts, numbered for each from 0."""

    keys: list[str]
    each: int

    @classmethod
    async def put(cls, house: House, accounts: int, each: int) -> Batch:
        batch = cls([f"{secrets.token_hex(8)}" for _ in range(accounts)], each)
        connection = await asyncpg.connect(house.corner.database_url)
        try:
            await connection.executemany(
                "INSERT INTO outbox (topic, key, payload) VALUES ($1, $2, $3)",
                [
                    (TOPIC, key, json.dumps({"number": number}))
                    for number in range(each)
                    for key in batch.keys
                ],
            )
        finally:
            await connection.close()
        return batch

    async def pending(self, house: House) -> int:
        rows = await house.corner.fetch(
            "SELECT FROM outbox WHERE key = ANY($1) AND acknowledged_at IS NULL", self.keys
        )
        return len(rows)

    async def acknowledged(self, house: House) -> bool:
        return await self.pending(house) == 0

    async def assert_in_order(self, house: House) -> int:
        """Every event once or more, in order where it came first, its id ever the same.

        Returns how many came again.
        """
        ids = {
            (row["key"], json.loads(row["payload"])["number"]): str(row["event_id"])
            for row in await house.corner.fetch(
                "SELECT key, payload, event_id FROM outbox WHERE key = ANY($1)", self.keys
            )
        }
        seen: dict[str, list[int]] = {key: [] for key in self.keys}
        again = 0
        for message in produced(house, TOPIC):
            key = (message.key() or b"").decode()
            if key not in seen:
                continue
            number = json.loads(message.value() or b"")["number"]
            assert dict(message.headers() or [])["ce_id"] == ids[key, number].encode()
            if number in seen[key]:
                again += 1
            else:
                seen[key].append(number)
        assert all(numbers == list(range(self.each)) for numbers in seen.values())
        return again


def produced(house: House, name: str) -> list[confluent_kafka.Message]:
    """All that a topic holds, each partition in its order."""
    topic = f"{house.corner.topic_prefix}{name}"
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": house.parts.kafka.url, "group.id": f"{topic}-reader"}
    )
    messages: list[confluent_kafka.Message] = []
    try:
        for number in consumer.list_topics(topic, timeout=10).topics[topic].partitions:
            place = confluent_kafka.TopicPartition(topic, number, 0)
            _, end = consumer.get_watermark_offsets(place, timeout=10)
            consumer.assign([place])
            left = end
            while left:
                for message in consumer.consume(left, timeout=5):
                    assert message.error() is None
                    messages.append(message)
                    left -= 1
    finally:
        consumer.close()
    return messages


async def test_a_worker_killed_before_it_could_acknowledge_produces_the_same_events_again(
    house: House,
) -> None:
    batch = await Batch.put(house, accounts=5, each=20)
    holder = await asyncpg.connect(house.corner.database_url)
    try:
        with WorkerProcess.started(house.corner.variables) as worker:
            async with holder.transaction():
                # One row held back keeps the whole batch from being acknowledged.
                await holder.execute("SELECT FROM outbox WHERE key = $1 FOR UPDATE", batch.keys[0])
                await until(lambda: acknowledging(house))
                worker.kill()
        assert await batch.pending(house) == batch.each * len(batch.keys)
    finally:
        await holder.close()
    with WorkerProcess.started(house.corner.variables) as worker:
        await until(lambda: batch.acknowledged(house))
        assert await batch.assert_in_order(house) >= batch.each * len(batch.keys)
        assert await worker.stop() < 5


async def acknowledging(house: House) -> bool:
    rows = await house.corner.fetch(
        "SELECT FROM pg_stat_activity WHERE datname = current_database()"
        " AND wait_event_type = 'Lock' AND query LIKE '%UPDATE outbox%'"
    )
    return bool(rows)


async def test_two_workers_of_which_one_is_killed_mix_up_no_account(house: House) -> None:
    batch = await Batch.put(house, accounts=10, each=300)
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(WorkerProcess.started(house.corner.variables)) for _ in range(2)
        )
        await until(lambda: some_acknowledged(house, batch))
        first.kill()
        await until(lambda: batch.acknowledged(house))
        assert await second.stop() < 5
    await batch.assert_in_order(house)


async def some_acknowledged(house: House, batch: Batch) -> bool:
    return await batch.pending(house) < batch.each * len(batch.keys)


async def test_two_workers_at_once_produce_nothing_twice(house: House) -> None:
    with ExitStack() as stack:
        workers = [
            stack.enter_context(WorkerProcess.started(house.corner.variables)) for _ in range(2)
        ]
        for worker in workers:
            await until(worker.up)
        batch = await Batch.put(house, accounts=10, each=200)
        await until(lambda: batch.acknowledged(house))
        assert await batch.assert_in_order(house) == 0
        assert [await worker.stop() < 5 for worker in workers] == [True, True]


async def test_what_happens_while_kafka_is_away_is_kept_and_goes_out_in_order(
    house: House,
) -> None:
    people = [await member(house.service, house.mailroom) for _ in range(3)]
    with WorkerProcess.started(house.corner.variables) as worker:
        await until(worker.up)
        house.parts.kafka_wire.refuse()
        async with house.service.client() as client:
            for _ in range(3):
                answers = await asyncio.gather(*[log_in(client, person) for person in people])
                assert [answer.status_code for answer in answers] == [200] * 3
        users = [answer.json()["data"]["user"]["id"] for answer in answers]
        await asyncio.sleep(0.5)
        kept = await house.corner.fetch(
            "SELECT FROM outbox WHERE key = ANY($1) AND topic = 'user_logged_in'"
            " AND acknowledged_at IS NULL",
            users,
        )
        assert len(kept) == 9
        house.parts.kafka_wire.let_pass()

        async def drained() -> bool:
            return not await house.corner.fetch(
                "SELECT FROM outbox WHERE key = ANY($1) AND acknowledged_at IS NULL", users
            )

        await until(drained)
    versions: dict[str, list[int]] = {user: [] for user in users}
    for message in produced(house, "user_logged_in"):
        event = json.loads(message.value() or b"")
        versions.get(event["user_id"], []).append(event["account_version"])
    assert list(versions.values()) == [[2, 3, 4]] * 3


HOUR = """
    INSERT INTO outbox (topic, key, payload)
    SELECT ($2::text[])[1 + ($1::int + version * 7) % cardinality($2::text[])], key,
        json_build_object('version', 1, 'user_id', key, 'account_version', version)::text
    FROM generate_series($1::int, $1::int + 9) AS version, unnest($3::text[]) AS key
"""


async def test_an_hour_without_kafka_loses_nothing_and_mixes_up_nobody(house: House) -> None:
    names, users = [topic.name for topic in LIFECYCLE], [secrets.token_hex(8) for _ in range(50)]
    house.parts.kafka.freeze()
    for first in range(1, 101, 10):
        with WorkerProcess.started(house.corner.variables) as worker:
            await house.corner.fetch(HOUR, first, names, users)
            if first in (21, 61):
                await until(worker.up)
                await asyncio.sleep(0.5)
                worker.kill()
        if first == 51:
            house.parts.kafka.thaw()
            house.parts.kafka.kill()
    query = "SELECT FROM outbox WHERE key = ANY($1) AND acknowledged_at IS NULL"
    assert len(await house.corner.fetch(query, users)) == 5000
    house.parts.kafka.start()
    with WorkerProcess.started(house.corner.variables) as worker:

        async def drained() -> bool:
            return not await house.corner.fetch(query, users)

        print(f"5,000 events after {await until(drained, within=30):.1f} s")
        assert await worker.stop() < 5
    told: dict[str, set[int]] = {user: set() for user in users}
    for name in names:
        newest = dict.fromkeys(users, 0)
        for message in produced(house, name):
            event = json.loads(message.value() or b"")
            if (user := event.get("user_id")) not in told:
                continue
            # What comes again is older than what was told; what is new is newer than all of it.
            if event["account_version"] not in told[user]:
                assert event["account_version"] > newest[user]
                newest[user] = event["account_version"]
                told[user].add(event["account_version"])
    assert all(versions == set(range(1, 101)) for versions in told.values())


@pytest.mark.parametrize("hangs", [False, True], ids=["idle", "while Kafka hangs"])
async def test_sigterm_ends_a_worker_in_good_order(house: House, hangs: bool) -> None:
    with WorkerProcess.started(house.corner.variables) as worker:
        await until(worker.up)
        if hangs:
            house.parts.kafka.freeze()
            await Batch.put(house, accounts=2, each=2)
            await asyncio.sleep(0.5)
        seconds = await worker.stop()
        print(f"exit after {seconds:.2f} s")
        assert seconds < (8 if hangs else 3)
