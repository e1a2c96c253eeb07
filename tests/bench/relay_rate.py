"""How many events the relay produces per second of the worker's CPU, of a backlog in the outbox."""

from __future__ import annotations

import asyncio
import time

from shared import events
from tests.bench.bench import Bench
from tests.bench.process_cpu import cpu_seconds
from tests.corner import Corner
from tests.load.cpus import pinned
from tests.report import Figure, Target
from tests.worker_process import WorkerProcess

BACKLOG = """
    INSERT INTO outbox (topic, key, payload)
    SELECT ($2::text[])[1 + number % cardinality($2::text[])], key, json_build_object(
        'version', 1, 'user_id', key, 'email', 'person@example.org', 'name', 'Ann Example',
        'username', NULL, 'account_version', number, 'registered_at', now())::text
    FROM generate_series(1, $1::int) AS number, md5((number % 500)::text) AS key
"""
WAITING = "SELECT count(*) FROM outbox WHERE acknowledged_at IS NULL"
IDLE_SECONDS = 5.0


def measure(bench: Bench) -> None:
    section = bench.report.section("Relay")
    count = bench.size.pick(20_000, 200_000)
    topics = [topic.name for kind, topic in events.TOPICS.items() if kind is not events.SendOtp]
    corner = bench.corner
    with pinned(bench.cpus.measured), WorkerProcess.started(corner.variables) as worker:
        worker.come_up()
        corner.rows(BACKLOG, count // 10, topics)
        asyncio.run(_drained(corner))
        idle = _idle_share(worker)
        before, began = cpu_seconds(worker.process.pid), time.monotonic()
        corner.rows(BACKLOG, count, topics)
        asyncio.run(_drained(corner))
        wall = time.monotonic() - began
        cpu = cpu_seconds(worker.process.pid) - before
    section.tell(f"{count} events lay in the outbox; a worker on one processor drained them.")
    section.figure(Figure("events for a second of its CPU", count / cpu, "", Target(at_least=2000)))
    section.figure(Figure("events a second", count / wall))
    section.figure(Figure("idle", idle * 100, "% of a core"))


def _idle_share(worker: WorkerProcess) -> float:
    time.sleep(1)
    before, began = cpu_seconds(worker.process.pid), time.monotonic()
    time.sleep(IDLE_SECONDS)
    return (cpu_seconds(worker.process.pid) - before) / (time.monotonic() - began)


async def _drained(corner: Corner) -> None:
    while (await corner.fetch(WAITING))[0][0]:  # noqa: ASYNC110 - another process drains
        await asyncio.sleep(0.05)
