"""For a Python under libfaketime whose monotonic clock is true: there `time.sleep` fails (EINVAL).

It is on the path of those processes only, and Python reads it before anything else.
"""

from __future__ import annotations

import select
import time
from typing import SupportsIndex


def _sleep(seconds: float | SupportsIndex) -> None:
    select.select([], [], [], float(seconds))


time.sleep = _sleep
