"""Ctrl-C for a command that works in batches: the one in hand is finished."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from itertools import islice
from types import FrameType
from typing import TypeVar

T = TypeVar("T")


class Interruption:
    """While input is awaited it ends the wait, and else it is a wish; asked twice, it kills."""

    def __init__(self) -> None:
        self.asked = False
        self._reading = False

    def batches(self, rows: Iterator[T], size: int) -> Iterator[list[T]]:
        """The rows, so many at a time, until there are no more or somebody asks to stop."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)
        while batch := self._next(rows, size):
            yield batch

    def _next(self, rows: Iterator[T], size: int) -> list[T]:
        self._reading = True
        try:
            return [] if self.asked else list(islice(rows, size))
        except KeyboardInterrupt:
            return []
        finally:
            self._reading = False

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.asked = True
        signal.signal(number, signal.SIG_DFL)
        if self._reading:
            raise KeyboardInterrupt
