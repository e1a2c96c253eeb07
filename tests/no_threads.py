"""A process that has as many threads as it may have."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

# More than any machine can address: the thread is refused as for want of memory.
TOO_LARGE = 1 << 52


@contextmanager
def no_more_threads() -> Iterator[None]:
    """Inside, Python starts no thread and raises as it does then; librdkafka's own are let be."""
    before = threading.stack_size(TOO_LARGE)
    try:
        yield
    finally:
        threading.stack_size(before)
