"""Whose tokens count no more, remembered for as long as such a token could be alive."""

from __future__ import annotations

import time
from collections.abc import Iterable
from uuid import UUID

from gatepost_client.caller import Caller

# Clocks of several hosts, and a token that was signed while its session ended.
MARGIN_SECONDS = 600.0


class Revocations:
    """Written by one thread and read by others. `longest` is the life of a token in seconds."""

    def __init__(self, longest: float) -> None:
        self._kept = longest + MARGIN_SECONDS
        self._sessions: dict[UUID, float] = {}
        self._users: dict[UUID, float] = {}

    def end_sessions(self, sessions: Iterable[UUID], at: float) -> None:
        """Tokens of these sessions count no more."""
        if self._matters(at):
            self._sessions.update(dict.fromkeys(sessions, at))

    def bar_user(self, user: UUID, until: float) -> None:
        """Tokens of this user that were issued up to then count no more.

        A later one is itself the proof that the account was open again when it was signed.
        """
        if self._matters(until):
            self._users[user] = max(until, self._users.get(user, 0.0))

    def cover(self, caller: Caller) -> bool:
        """Whether the caller's token has ended before its time."""
        return caller.session_id in self._sessions or caller.issued_at <= self._users.get(
            caller.user_id, 0.0
        )

    def forget(self) -> None:
        """Drop what no living token can be concerned by."""
        for book in (self._sessions, self._users):
            for key in [key for key, at in book.items() if not self._matters(at)]:
                del book[key]

    def __len__(self) -> int:
        return len(self._sessions) + len(self._users)

    def _matters(self, at: float) -> bool:
        return at + self._kept > time.time()
