"""How far an import is: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol

import rich_click as click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from user_service.imports.report import Report

SECONDS_BETWEEN_LINES = 5.0


class Tell(Protocol):
    def __call__(self, report: Report, offset: int) -> None:
        """`offset` is how many bytes were read."""


@contextmanager
def progress(file: BinaryIO) -> Iterator[Tell]:
    """On standard error, for standard output is the answer."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (
        SpinnerColumn(),
        BarColumn(),
        TextColumn("{task.fields[rows]:,} rows, {task.fields[created]:,} created"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=_size(file), rows=0, created=0)

        def tell(report: Report, offset: int) -> None:
            bar.update(task, completed=offset, rows=report.rows, created=report.totals.created)

        yield tell


class _Lines:
    def __init__(self) -> None:
        self._told = time.monotonic()

    def __call__(self, report: Report, offset: int) -> None:
        now = time.monotonic()
        if now - self._told >= SECONDS_BETWEEN_LINES:
            self._told = now
            click.echo(f"{report.rows:,} rows, {report.totals.created:,} created", err=True)


def _size(file: BinaryIO) -> int | None:
    """In bytes; None when there is no telling, as with standard input."""
    found = os.fstat(file.fileno())
    return found.st_size if stat.S_ISREG(found.st_mode) else None
