"""What came of a load: every answer with its seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple


class Answer(NamedTuple):
    """`began` is when the request was due, in seconds since the load began.

    `status` is 0 when the connection was lost. `retry_after` is in seconds; `body` is kept only
    where the load was told to.
    """

    began: float
    seconds: float
    status: int
    retry_after: int | None = None
    body: bytes = b""


@dataclass(frozen=True)
class Run:
    """`seconds` lie between the first request and the last answer.

    `epoch` is the load's beginning on time.perf_counter, which the machine's processes share.
    """

    seconds: float
    answers: Sequence[Answer]
    epoch: float = 0.0

    @property
    def rate(self) -> float:
        """Answers below 400 for each second."""
        return len(self.good.answers) / self.seconds

    @property
    def statuses(self) -> Counter[int]:
        return Counter(answer.status for answer in self.answers)

    @property
    def good(self) -> Run:
        return replace(self, answers=[a for a in self.answers if 0 < a.status < 400])

    @property
    def refused(self) -> Run:
        return replace(self, answers=[a for a in self.answers if not 0 < a.status < 400])

    def percentile(self, percent: float) -> float:
        """Milliseconds within which so many of the answers came; 0.0 of none."""
        if not self.answers:
            return 0.0
        seconds = sorted(answer.seconds for answer in self.answers)
        return seconds[min(int(len(seconds) * percent / 100), len(seconds) - 1)] * 1000
