"""One stack for each checkout: its data directory belongs to one process at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev_stack.part import PartFailed


@contextmanager
def lock(home: Path) -> Iterator[None]:
    """Hold `home`, which is created if need be; raises PartFailed when a running stack has it."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PartFailed("This checkout's stack is running: stop it with Ctrl-C.") from None
        yield
