"""What an import says at its end."""

from __future__ import annotations

from typing import Any

import rich_click as click
from msgspec import Struct
from msgspec.structs import asdict

from shared.terminal import printable
from user_service.cli.command import show, show_json
from user_service.imports.report import Totals


class Answer(Struct, frozen=True):
    """`finished` is whether every row of the file was decided."""

    totals: Totals
    ignored_columns: list[str]
    dry_run: bool
    finished: bool


def show_answer(answer: Answer, *, as_json: bool) -> None:
    """As a table for people, or as one JSON object."""
    if as_json:
        rest = {key: value for key, value in asdict(answer).items() if key != "totals"}
        show_json(asdict(answer.totals) | rest)
        return
    show(_table(answer.totals), as_json=False, empty="")
    if answer.ignored_columns:
        click.echo(f"\nIgnored columns: {printable(', '.join(answer.ignored_columns))}")
    if answer.dry_run:
        click.echo("\nThis was a dry run: nothing was written.")


def _table(totals: Totals) -> list[dict[str, Any]]:
    rows = [
        ("created", totals.created),
        *((f"  but: {reason}", many) for reason, many in totals.created_without.items()),
        ("linked to accounts that were here", totals.linked),
        ("completed", totals.completed),
        ("already here", totals.already_here),
        *((f"skipped: {reason}", many) for reason, many in totals.skipped.items()),
        *((f"malformed: {reason}", many) for reason, many in totals.malformed.items()),
        ("rows", totals.rows),
    ]
    return [{"what": what, "rows": many} for what, many in rows]
