"""Which processors what is measured has for itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Cpus:
    """`measured` is one processor for what is measured, `others` all that are left."""

    measured: frozenset[int]
    others: frozenset[int]

    @classmethod
    def divided(cls) -> Cpus:
        """Of a machine with one processor both have the same."""
        first, *rest = sorted(os.sched_getaffinity(0))
        return cls(frozenset({first}), frozenset(rest or {first}))


@contextmanager
def pinned(cpus: frozenset[int]) -> Iterator[None]:
    """What this thread starts meanwhile runs on these processors only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
