"""How long to wait before the next try."""

from __future__ import annotations

import random

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 30.0


def backoff(attempt: int, longest: float = LONGEST_SECONDS) -> float:
    """Seconds to wait after the nth try, with full jitter so that retries do not march in step."""
    return random.uniform(0, doubled(attempt - 1, longest))  # noqa: S311


def doubled(times: int, longest: float) -> float:
    """The first pause, doubled so many times, but never more than `longest` seconds."""
    # Hours of outage make so many tries that the power would be no float any more.
    return min(longest, FIRST_SECONDS * 2.0 ** min(times, 20))
