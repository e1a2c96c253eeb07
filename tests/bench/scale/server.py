"""A Postgres of its own, whose log and whose processors are the section's."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dev_stack import postgres, unprivileged
from dev_stack.part import Part
from dev_stack.process_tree import descendants
from tests.load import Cpus
from tests.load.cpus import pinned


@contextmanager
def started(cpus: Cpus) -> Iterator[Part]:
    """With its default settings, on all processors until it is moved; deleted at the end."""
    home = Path(tempfile.mkdtemp(prefix="gatepost-scale-"))
    home.chmod(0o711)  # Postgres is `nobody` when we are root, and must pass through
    try:
        with pinned(cpus.measured | cpus.others):
            server = postgres.start(home, durable=False)
        try:
            yield server
        finally:
            server.stop()
    finally:
        unprivileged.remove(home)


def move(server: Part, cpus: frozenset[int]) -> None:
    """Let the server, and whom it serves from now on, run on these processors only."""
    for pid in (server.pid, *descendants(server.pid)):
        with suppress(ProcessLookupError):
            os.sched_setaffinity(pid, cpus)
