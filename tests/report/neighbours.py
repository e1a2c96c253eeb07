"""Whether the machine was ours while it was measured."""

from __future__ import annotations

import os
import time

from tests.process_usage import busy_seconds

ALL = frozenset(range(os.cpu_count() or 1))
FEW = 0.1


class Neighbours:
    """Other programs, from now on."""

    def __init__(self) -> None:
        self._began = time.monotonic(), busy_seconds(ALL), own_seconds()

    @property
    def share(self) -> float:
        """Of the time of all processors; what we have started counts once it has ended."""
        began, busy, own = self._began
        others = (busy_seconds(ALL) - busy) - (own_seconds() - own)
        return max(0.0, others / (time.monotonic() - began) / len(ALL))

    def described(self) -> str:
        share = self.share
        doubt = "" if share <= FEW else ": times and rates are those of a busy machine"
        return f"other programs took {share:.0%} of the processors' time{doubt}"


def own_seconds() -> float:
    """What this program has taken, and those that it has started and seen end."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
