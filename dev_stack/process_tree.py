"""Signals to a process with everything it has started.

Postgres gives each backend a session of its own, so a process group would miss them.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path


def descendants(pid: int) -> list[int]:
    """The process ids below `pid`, parents before children; empty where there is no /proc."""
    found: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in children.read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


def send(pid: int, number: signal.Signals) -> None:
    """Signal `pid` first, so that it starts nothing new, then everything below it."""
    below = descendants(pid)
    for each in [pid, *below]:
        with suppress(ProcessLookupError):
            os.kill(each, number)
