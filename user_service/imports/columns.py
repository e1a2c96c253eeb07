"""Which columns a file has, and which of them count."""

from __future__ import annotations

from shared.terminal import printable

MOST_NAMED = 50
PASSWORDS = {"password", "passwd", "plaintext_password", "plain_password"}


class UnreadableFile(Exception):
    """Its text says to people what is wrong with the file as a whole."""


class Columns:
    """`wanted` are read, `needed` must be there; `ignored` are the others, as far as they came."""

    def __init__(self, wanted: set[str], needed: set[str], hint: str = "") -> None:
        self.wanted = wanted
        self._needed = needed
        self._hint = hint
        self.ignored: list[str] = []

    def judge(self, names: list[str], line: int) -> None:
        """Those of the first row; raises UnreadableFile."""
        self.notice(names, line)
        if missing := sorted(self._needed - set(names)):
            has = printable(", ".join(names)[:1000]) or "nothing"
            lacks = f"The file lacks {', '.join(missing)}. It has {has}. {self._hint}"
            raise UnreadableFile(lacks.strip())

    def notice(self, names: list[str], line: int) -> None:
        """Raises UnreadableFile when one of them holds passwords as they were typed."""
        if clear := PASSWORDS & {name.lower() for name in names}:
            raise UnreadableFile(
                f"Line {line} has {clear.pop()}: passwords as they were typed are not taken in. "
                "Send their digests as password_hash, or none: their owners set one by recovery."
            )
        for name in names:
            if name not in self.wanted and name[:64] not in self.ignored:
                self.ignored = [*self.ignored, name[:64]][:MOST_NAMED]
