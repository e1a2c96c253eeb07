"""What answering a load takes of the machine."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.bench.bench import Bench
from tests.load import Run
from tests.process_usage import busy_seconds, cpu_seconds


@dataclass(frozen=True)
class Cost:
    """`cpu` is what the process and its descendants took, in seconds for each good answer.

    What refusals took is charged to those, or who refuses many would look cheap.
    `busy` and `others_busy` are shares of the measured core and of all other cores, whoever took
    them: where the others have no time left, they set the rate and not the service.
    """

    run: Run
    cpu: float
    busy: float
    others_busy: float

    @classmethod
    def of(cls, bench: Bench, pid: int, load: Callable[[], Run]) -> Cost:
        """While `load` runs; `pid` is the process that answers it."""
        before, began = _spent(bench, pid), time.monotonic()
        run = load()
        seconds = time.monotonic() - began
        own, busy, others = (
            now - then for now, then in zip(_spent(bench, pid), before, strict=True)
        )
        return cls(
            run,
            own / good if (good := len(run.good.answers)) else math.inf,
            busy / seconds / len(bench.cpus.measured),
            others / seconds / len(bench.cpus.others),
        )


def _spent(bench: Bench, pid: int) -> tuple[float, float, float]:
    cpus = bench.cpus
    return cpu_seconds(pid), busy_seconds(cpus.measured), busy_seconds(cpus.others)
