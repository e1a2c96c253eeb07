"""How much of a proof is run: SIZE=quick fits in minutes, SIZE=full is what claims rest on."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TypeVar

T = TypeVar("T")


class Size(StrEnum):
    QUICK = "quick"
    FULL = "full"

    @classmethod
    def wanted(cls) -> Size:
        """What SIZE asks for, quick unless it is set; ends the program when it asks for neither."""
        named = os.environ.get("SIZE") or cls.QUICK
        try:
            return cls(named)
        except ValueError:
            raise SystemExit(f"SIZE is quick or full, not {named!r}.") from None

    def pick(self, quick: T, full: T) -> T:
        return full if self is Size.FULL else quick
