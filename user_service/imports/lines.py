"""The lines of a file of any size: no more of it is in memory than a few of them."""

from __future__ import annotations

from collections import deque
from typing import BinaryIO, NamedTuple

MOST_BYTES = 64 * 1024
UTF_8_MARK = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """With the sign that ends it; empty when there is a `problem` with it."""

    number: int
    text: str
    problem: str = ""


class Lines:
    """Read once from the beginning; `offset` counts the bytes that were read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._ahead: deque[Line] = deque()
        self._read = 0
        self.offset = 0

    def ahead(self, place: int) -> Line | None:
        """A line that comes so many places after the next one, which has place 0."""
        while len(self._ahead) <= place:
            raw = self._readline()
            if not raw:
                return None
            self._read += 1
            self._ahead.append(self._line(raw))
        return self._ahead[place]

    def drop(self, many: int) -> None:
        """Go on behind lines that were looked at."""
        for _ in range(many):
            self._ahead.popleft()

    def _line(self, raw: bytes) -> Line:
        if len(raw) > MOST_BYTES and not raw.endswith(b"\n"):
            self._skip()
            return Line(self._read, "", "line longer than 64 KiB")
        if b"\0" in raw:
            return Line(self._read, "", "line with a NUL: no text, or not in UTF-8")
        content = raw.removeprefix(UTF_8_MARK) if self._read == 1 else raw
        try:
            return Line(self._read, content.decode())
        except UnicodeDecodeError:
            return Line(self._read, "", "line not in UTF-8")

    def _skip(self) -> None:
        while (raw := self._readline()) and not raw.endswith(b"\n"):
            pass

    def _readline(self) -> bytes:
        raw = self._stream.readline(MOST_BYTES + 1)
        self.offset += len(raw)
        return raw
