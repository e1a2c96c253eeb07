"""CPU time and memory of a process and all its descendants, from /proc."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from dev_stack.process_tree import descendants

TICK = 1 / os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """The process and its descendants."""
    return [pid, *descendants(pid)]


def cpu_seconds(pid: int) -> float:
    """User and system time that the tree has taken so far."""
    return sum(_ticks(member) for member in tree(pid)) * TICK


def wanted_seconds(pid: int) -> float:
    """How long the busiest of its threads has had a processor so far, or waited for one."""
    seconds = [0.0]
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # it has ended meanwhile
            ran, waited, _ = (thread / "schedstat").read_text().split()
            seconds.append((int(ran) + int(waited)) / 1e9)
    return max(seconds)


def resident_mib(pid: int) -> float:
    """Resident memory of the tree's processes together."""
    return sum(_status(member, "VmRSS") for member in tree(pid)) / 1024


def largest_mib(pid: int) -> float:
    """Resident memory of that process of the tree which has most of it."""
    return max(_status(member, "VmRSS") for member in tree(pid)) / 1024


def peak_mib(pid: int) -> float:
    """The most that the tree's processes have had resident, since `forget_peak` or their start."""
    return sum(_status(member, "VmHWM") for member in tree(pid)) / 1024


def forget_peak(pid: int) -> None:
    """Count the peak from now on; a kernel that does not let us keeps the old one."""
    for member in tree(pid):
        with suppress(OSError):
            Path(f"/proc/{member}/clear_refs").write_text("5")


def busy_seconds(cpus: frozenset[int]) -> float:
    """What these processors have worked so far, for whomever."""
    lines = (line.split() for line in Path("/proc/stat").read_text().splitlines())
    names = {f"cpu{cpu}" for cpu in cpus}
    # user, nice, system, then idle and waiting, then interrupts and what a hypervisor took.
    return TICK * sum(
        sum(map(int, line[1:4])) + sum(map(int, line[6:9])) for line in lines if line[0] in names
    )


def _status(pid: int, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
