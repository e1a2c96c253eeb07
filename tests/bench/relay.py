"""The relay: what bringing the outbox's events to Kafka costs, and that they come once, in time."""

from __future__ import annotations

import asyncio
import random
import time
from statistics import median

import asyncpg

from shared.topics import LIFECYCLE, SEND_NOTICE
from tests.bench.bench import Bench
from tests.bench.relayed import Relayed, bare_cpu_seconds, described, out_of_order, read
from tests.corner import Corner
from tests.load.cpus import pinned
from tests.process_usage import cpu_seconds
from tests.report import Figure, Section, Target
from tests.worker_process import WorkerProcess

TOPICS = [*LIFECYCLE, SEND_NOTICE]
PUT = """
    INSERT INTO outbox (topic, key, payload)
    SELECT ($3::text[])[1 + number % cardinality($3::text[])], key, json_build_object(
        'version', 1, 'user_id', key, 'email', 'person@example.org', 'name', 'Ann Example',
        'username', NULL, 'account_version', number, 'registered_at', now())::text
    FROM generate_series($1::int, $2::int) AS number, md5((number % 500)::text) AS key
"""
# Counting a backlog over and over would slow down who drains it.
IS_WAITING = "SELECT EXISTS (SELECT FROM outbox WHERE acknowledged_at IS NULL)"
# For 200,000 events a worker that only just meets its target takes 100.
LONGEST_SECONDS = 300
HOW = """\
Whatever happens to an account leaves its events in the table outbox, in the same transaction; the
user service's worker brings them to Kafka, at least once and in order for each user. First events
come one by one, {single} of them at random times: each is as late as the time from its transaction
to its place in Kafka; other services have to know of a logout within a second. Then {backlog:,}
events of 500 users come at once, and a worker on one processor drains them; Postgres and Kafka have
the others. A bare producer is librdkafka with the same messages and nothing else. Nothing is
killed, so nothing may come twice."""


def measure(bench: Bench) -> None:
    section = bench.report.section("Relay")
    single, backlog = bench.size.pick(60, 400), bench.size.pick(20_000, 200_000)
    section.tell(HOW.replace("\n", " ").format(single=single, backlog=backlog))
    # What other sections have left in their outbox is not to be drained here.
    with (
        Corner.made("relay2") as corner,
        pinned(bench.cpus.measured),
        WorkerProcess.started(corner.variables) as worker,
    ):
        worker.come_up()
        asyncio.run(_put(corner, 1, 2_000))
        asyncio.run(_drained(corner))
        _tell_quiet(section, corner, worker, single, bench.size.pick(3.0, 20.0))
        _tell_backlog(section, corner, worker, backlog)


def _tell_quiet(
    section: Section, corner: Corner, worker: WorkerProcess, events: int, seconds: float
) -> None:
    section.console.print(f"  nothing happens, then {events} events one by one")
    time.sleep(1)
    before, began = cpu_seconds(worker.process.pid), time.monotonic()
    time.sleep(seconds)
    idle = (cpu_seconds(worker.process.pid) - before) / (time.monotonic() - began)
    section.figure(Figure("of a core while nothing happens", idle * 100, "%"))
    known = {event.event_id for event in _arrived(corner)}
    asyncio.run(_trickle(corner, events))
    late = [event.late * 1000 for event in _arrived(corner) if event.event_id not in known]
    section.figure(Figure("an event by itself is late, p50", median(late), "ms"))
    section.figure(Figure("and at most", max(late), "ms", Target(at_most=1000)))


def _tell_backlog(section: Section, corner: Corner, worker: WorkerProcess, events: int) -> None:
    section.console.print(f"  a backlog of {events:,}")
    before = cpu_seconds(worker.process.pid)
    asyncio.run(_put(corner, 10_000, 10_000 + events - 1))
    began = time.monotonic()
    asyncio.run(_drained(corner))
    wall, cpu = time.monotonic() - began, cpu_seconds(worker.process.pid) - before
    section.figure(
        Figure("events for a second of its CPU", events / cpu, "", Target(at_least=2000))
    )
    section.figure(Figure("events a second", events / wall))
    records = read(corner, TOPICS)
    _judge(section, corner, [described(record) for record in records])
    bare = bare_cpu_seconds(corner, records) / len(records)
    section.figure(Figure("its CPU for an event, of a bare producer's", cpu / events / bare, "×"))


def _judge(section: Section, corner: Corner, arrived: list[Relayed]) -> None:
    put = {row[0] for row in corner.rows("SELECT event_id::text FROM outbox")}
    distinct = {event.event_id for event in arrived}
    for name, count in (
        ("lost", len(put - distinct)),
        ("doubled", len(arrived) - len(distinct)),
        ("out of their user's order", out_of_order(arrived)),
    ):
        section.figure(Figure(name, count, "events", Target(at_most=0)))


def _arrived(corner: Corner) -> list[Relayed]:
    return [described(record) for record in read(corner, TOPICS)]


async def _trickle(corner: Corner, events: int) -> None:
    connection = await asyncpg.connect(corner.database_url)
    chance = random.Random(events)
    for number in range(3_000, 3_000 + events):
        await asyncio.sleep(chance.uniform(0.02, 0.08))
        await _put_with(connection, number, number)
    await connection.close()
    await _drained(corner)


async def _put(corner: Corner, first: int, last: int) -> None:
    connection = await asyncpg.connect(corner.database_url)
    await _put_with(connection, first, last)
    await connection.close()


async def _put_with(connection: asyncpg.Connection, first: int, last: int) -> None:
    await connection.execute(PUT, first, last, [topic.name for topic in TOPICS])


async def _drained(corner: Corner) -> None:
    """Wait until nothing is left; raises TimeoutError when that never happens."""
    connection = await asyncpg.connect(corner.database_url)
    async with asyncio.timeout(LONGEST_SECONDS):
        while await connection.fetchval(IS_WAITING):  # noqa: ASYNC110 - another process drains
            await asyncio.sleep(0.02)
    await connection.close()
