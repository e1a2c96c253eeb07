"""Rows of a CSV or JSONL file by the names of their columns, whatever is between them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from msgspec import Struct

from user_service.imports.columns import Columns, UnreadableFile
from user_service.imports.lines import Line, Lines

# A quoted cell may hold line ends; one whose quote never ends must not swallow the rows after it.
MOST_LINES = 20

Fault = Literal["skipped", "malformed"]


class Record(Struct, frozen=True):
    """`line` is where it begins. What is null or missing is empty."""

    line: int
    fields: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.fields.get(column, "").strip()


class Rejected(Struct, frozen=True):
    """A row that makes no account: `malformed`, or `skipped` for what it says."""

    line: int
    reason: str
    fault: Fault = "malformed"
    who: str = ""


def records(lines: Lines, columns: Columns) -> Iterator[Record | Rejected]:
    """Every row of a file that is CSV, or has a JSON object in each line; raises UnreadableFile."""
    first = lines.ahead(0)
    if first is None:
        raise UnreadableFile("The file is empty.")
    if first.problem:
        raise UnreadableFile(f"The file begins with a {first.problem}.")
    if first.text.startswith("["):
        raise UnreadableFile("The file is one array in JSON: write one object in each line.")
    is_json = first.text.startswith("{")
    return jsonl_records(lines, columns) if is_json else csv_records(lines, columns)


def csv_records(lines: Lines, columns: Columns) -> Iterator[Record | Rejected]:
    """Every row under the header line; raises UnreadableFile."""
    names = _header(lines)
    columns.judge(names, 1)
    while (line := lines.ahead(0)) is not None:
        cells = None if line.problem else _cells(lines)
        if cells is None:
            lines.drop(1)
            yield Rejected(line.number, line.problem or "row not valid as CSV")
        elif len(cells) == len(names):
            yield Record(line.number, dict(zip(names, cells, strict=True)))
        elif cells:
            yield Rejected(line.number, "row with more or fewer cells than columns")


def _header(lines: Lines) -> list[str]:
    cells = _cells(lines)
    if cells is None:
        raise UnreadableFile("The first line is no header of a CSV file.")
    names = [cell.strip().lower() for cell in cells]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UnreadableFile(f"The file has the column {twice.pop()[:64]!r} twice.")
    return names


def _cells(lines: Lines) -> list[str] | None:
    """The cells of the next row, which is taken; or None, and nothing is."""
    reader = csv.reader(_texts(lines), strict=True)
    try:
        cells = next(reader)
    except csv.Error:
        return None
    lines.drop(reader.line_num)
    return cells


def _texts(lines: Lines) -> Iterator[str]:
    for place in range(MOST_LINES):
        line = lines.ahead(place)
        if line is None or line.problem:
            return
        yield line.text


def jsonl_records(lines: Lines, columns: Columns) -> Iterator[Record | Rejected]:
    """Every line's object; raises UnreadableFile."""
    look = columns.judge
    while (line := lines.ahead(0)) is not None:
        lines.drop(1)
        if not line.text.strip() and not line.problem:
            continue
        found = None if line.problem else _object(line)
        if found is None:
            yield Rejected(line.number, line.problem or "row not an object in JSON")
            continue
        look(list(found), line.number)
        look = columns.notice
        yield _record(line, {name: found[name] for name in columns.wanted & set(found)})


def _object(line: Line) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(line.text, type=dict[str, Any])
    except (ValueError, RecursionError):
        return None


def _record(line: Line, found: dict[str, Any]) -> Record | Rejected:
    if any(isinstance(content, list | dict) for content in found.values()):
        return Rejected(line.number, "row with a list or an object where text belongs")
    fields = {
        name: content if isinstance(content, str) else msgspec.json.encode(content).decode()
        for name, content in found.items()
        if content is not None
    }
    return Record(line.number, fields)
