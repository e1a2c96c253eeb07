"""How many events the relay produces per second of the worker's CPU, of a backlog in the outbox.

`python -m tests.bench.relay_rate [events]`
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import ExitStack

from dev_stack import parts
from shared import events
from tests.bench.process_cpu import cpu_seconds
from tests.corner import Corner
from tests.worker_process import WorkerProcess

BACKLOG = """
    INSERT INTO outbox (topic, key, payload)
    SELECT ($2::text[])[1 + number % cardinality($2::text[])], key, json_build_object(
        'version', 1, 'user_id', key, 'email', 'person@example.org', 'name', 'Ann Example',
        'username', NULL, 'account_version', number, 'registered_at', now())::text
    FROM generate_series(1, $1::int) AS number, md5((number % 500)::text) AS key
"""
WAITING = "SELECT count(*) FROM outbox WHERE acknowledged_at IS NULL"


async def drained(corner: Corner) -> None:
    while (await corner.fetch(WAITING))[0][0]:  # noqa: ASYNC110 - another process drains
        await asyncio.sleep(0.05)


def measure(corner: Corner, count: int) -> None:
    topics = [topic.name for kind, topic in events.TOPICS.items() if kind is not events.SendOtp]
    with WorkerProcess.started(corner.variables) as worker:
        worker.come_up()
        corner.rows(BACKLOG, count // 10, topics)
        asyncio.run(drained(corner))
        time.sleep(1)
        idle, began = cpu_seconds(worker.process.pid), time.monotonic()
        time.sleep(5)
        idle = (cpu_seconds(worker.process.pid) - idle) / (time.monotonic() - began)
        before, began = cpu_seconds(worker.process.pid), time.monotonic()
        corner.rows(BACKLOG, count, topics)
        asyncio.run(drained(corner))
        wall = time.monotonic() - began
        cpu = cpu_seconds(worker.process.pid) - before
    print(f"{count} events: {cpu:.2f} s of the worker's CPU, {wall:.2f} s, idle {idle:.1%}")
    print(f"{count / cpu:.0f} events per CPU second (target 2000), {count / wall:.0f} per second")


if __name__ == "__main__":
    with ExitStack() as stack:
        os.environ.update(stack.enter_context(parts.disposable()).variables)
        measure(
            stack.enter_context(Corner.made("bench")),
            int(sys.argv[1]) if len(sys.argv) > 1 else 20_000,
        )
