"""How far an import is: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

import rich_click as click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from user_service.imports.lines import Lines
from user_service.imports.report import Report

SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def progress(file: BinaryIO, lines: Lines, report: Report) -> Iterator[Callable[[], None]]:
    """What shows it, on standard error: standard output is the answer."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Printed(report)
        return
    columns = (
        SpinnerColumn(),
        BarColumn(),
        TextColumn("{task.fields[rows]:,} rows, {task.fields[created]:,} created"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=_size(file), rows=0, created=0)

        def show() -> None:
            created = report.totals.created
            bar.update(task, completed=lines.offset, rows=report.rows, created=created)

        yield show


class _Printed:
    def __init__(self, report: Report) -> None:
        self._report = report
        self._printed_at = time.monotonic()

    def __call__(self) -> None:
        now = time.monotonic()
        if now - self._printed_at >= SECONDS_BETWEEN_LINES:
            self._printed_at = now
            created = self._report.totals.created
            click.echo(f"{self._report.rows:,} rows, {created:,} created", err=True)


def _size(file: BinaryIO) -> int | None:
    """In bytes; None when there is no telling, as with standard input."""
    found = os.fstat(file.fileno())
    return found.st_size if stat.S_ISREG(found.st_mode) else None
