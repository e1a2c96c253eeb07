"""Counting what became of every row, and writing down the rows that somebody should look at."""

from __future__ import annotations

import json
from collections import Counter
from typing import TextIO

from msgspec import Struct

from user_service.imports.candidates import Candidate
from user_service.imports.deciding import Verdict
from user_service.imports.records import Rejected


class Totals(Struct, frozen=True, kw_only=True):
    """Each row is `created`, `linked`, `completed` (a password for an account that a webhook had
    made), `already_here`, `skipped` or `malformed`.

    The latter two by reason; and by reason also, how many were created without something.
    """

    rows: int
    created: int
    linked: int
    completed: int
    already_here: int
    skipped: dict[str, int]
    malformed: dict[str, int]
    created_without: dict[str, int]


class Report:
    """`stream` takes a line in JSON for each row that made nothing or lost something."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._outcomes: Counter[str] = Counter()
        self._reasons: dict[str, Counter[str]] = {"skipped": Counter(), "malformed": Counter()}
        self._losses: Counter[str] = Counter()

    def reject(self, row: Rejected) -> None:
        self._count(row.line, row.who, row.fault, row.reason)

    def note(self, row: Candidate, verdict: Verdict) -> None:
        who = row.clerk_id or row.email
        self._count(row.line, who, verdict.outcome, verdict.reason)
        for loss in verdict.losses:
            self._losses[loss] += 1
            self._write(row.line, who, verdict.outcome, loss)

    @property
    def rows(self) -> int:
        return self._outcomes.total()

    @property
    def totals(self) -> Totals:
        return Totals(
            rows=self.rows,
            created=self._outcomes["created"],
            linked=self._outcomes["linked"],
            completed=self._outcomes["completed"],
            already_here=self._outcomes["already_here"],
            skipped=dict(self._reasons["skipped"]),
            malformed=dict(self._reasons["malformed"]),
            created_without=dict(self._losses),
        )

    def _count(self, line: int, who: str, outcome: str, reason: str) -> None:
        self._outcomes[outcome] += 1
        if outcome in self._reasons:
            self._reasons[outcome][reason] += 1
        if outcome not in ("created", "linked", "completed"):
            self._write(line, who, outcome, reason)

    def _write(self, line: int, who: str, outcome: str, reason: str) -> None:
        if self._stream is not None:
            entry = {"line": line, "who": who, "outcome": outcome, "reason": reason}
            # In ASCII: what a file holds must not steer the terminal that shows it.
            self._stream.write(json.dumps(entry) + "\n")
