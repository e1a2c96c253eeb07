"""CPU time and memory of a process and all its descendants, from /proc."""

from __future__ import annotations

import os
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """The process and its descendants."""
    pids = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            pids += tree(int(child))
    return pids


def cpu_seconds(pid: int) -> float:
    """User and system time that the tree has taken so far."""
    return sum(_ticks(member) for member in tree(pid)) * TICK


def resident_mib(pid: int) -> list[float]:
    """Resident memory of each process of the tree."""
    pages = [int(Path(f"/proc/{member}/statm").read_text().split()[1]) for member in tree(pid)]
    return [page * os.sysconf("SC_PAGE_SIZE") / 2**20 for page in pages]


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
