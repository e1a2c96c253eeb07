"""A Postgres of its own, whose log and whose processors are the section's."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import asyncpg

from dev_stack import postgres
from dev_stack.part import Part
from dev_stack.process_tree import descendants
from dev_stack.unprivileged import temporary_home
from tests.load import Cpus


@contextmanager
def started(cpus: Cpus) -> Iterator[Part]:
    """With default memory settings, but nothing is synced; on all processors until moved.

    It is deleted at the end.
    """
    with temporary_home(on_disk=True) as home:
        server = postgres.start(home, durable=False)
        try:
            asyncio.run(_log_little(server))
            server.stop()
            server.start()
            # Parts are started by a thread of their own, on whose processors they run otherwise.
            move(server, cpus.measured | cpus.others)
            yield server
        finally:
            server.stop()


async def _log_little(server: Part) -> None:
    """What fills a new table, or makes an index, is not written twice: nobody follows this one."""
    connection = await asyncpg.connect(server.url)
    for setting in ("wal_level = minimal", "max_wal_senders = 0", "max_wal_size = '8GB'"):
        await connection.execute(f"ALTER SYSTEM SET {setting}")
    await connection.close()


def move(server: Part, cpus: frozenset[int]) -> None:
    """Let the server, and whom it serves from now on, run on these processors only."""
    for pid in (server.pid, *descendants(server.pid)):
        with suppress(ProcessLookupError):
            os.sched_setaffinity(pid, cpus)
