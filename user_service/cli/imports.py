"""`import clerk | users`: bringing users along from another system."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, BinaryIO

import rich_click as click

from user_service.audit.audit_store import Actor
from user_service.cli.command import (
    database,
    json_option,
    operator,
    operator_settings,
    run,
)
from user_service.cli.import_answer import Answer, show_answer
from user_service.cli.import_progress import progress
from user_service.cli.interruption import Interruption
from user_service.imports.candidates import Candidate
from user_service.imports.clerk_rows import clerk_candidate, clerk_columns
from user_service.imports.columns import Columns, UnreadableFile
from user_service.imports.dry_run import DryRun
from user_service.imports.flow import Import, import_batch
from user_service.imports.lines import Lines
from user_service.imports.records import Record, Rejected, records
from user_service.imports.report import Report
from user_service.imports.user_rows import user_candidate, user_columns
from user_service.settings import Settings

BATCH = 400
INTERRUPTED = 130
STOPPED = "Stopped. The same command goes on where it was."
VERIFIED_HELP = "Take every address as verified; the column email_verified is not needed then."

Row = Candidate | Rejected
Judge = Callable[[Record], Row]

file_argument = click.argument("file", type=click.File("rb"), metavar="FILE|-")
report_option = click.option(
    "--report",
    "report_path",
    type=click.Path(dir_okay=False, writable=True),
    help="Write a line in JSON for each row that made nothing or lost something. "
    "Holds personal data: a new file is for you alone (0600).",
)
dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would be, write nothing.")


@click.group("import")
def imports() -> None:
    """Bring users along from another system. Repeat it as you like: what is here stays as it is.

    Nobody gets a mail. Whoever comes without a usable password digest sets a password by recovery.
    """


@imports.command("clerk")
@file_argument
@dry_run_option
@report_option
@json_option
def import_clerk(file: BinaryIO, dry_run: bool, report_path: str | None, as_json: bool) -> None:
    """Users of Clerk: the CSV file that its dashboard exports, with password digests."""
    _import(file, clerk_columns(), clerk_candidate, report_path, dry_run=dry_run, as_json=as_json)


@imports.command("users")
@file_argument
@click.option("--addresses-are-verified", "verified", is_flag=True, help=VERIFIED_HELP)
@dry_run_option
@report_option
@json_option
def import_users(
    file: BinaryIO, verified: bool, dry_run: bool, report_path: str | None, as_json: bool
) -> None:
    """Users of any system: CSV with a header, or an object in JSON a line.

    Columns: email, email_verified, name, username, password_hash (bcrypt, Argon2, scrypt, PBKDF2 as
    passlib, Django and werkzeug write them), created_at. Others are named and ignored.
    """
    judge = partial(user_candidate, verified=verified)
    columns = user_columns(verified=verified)
    _import(file, columns, judge, report_path, dry_run=dry_run, as_json=as_json)


def _import(
    file: BinaryIO,
    columns: Columns,
    judge: Judge,
    report_path: str | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    settings = operator_settings("import")
    stopped = "Stopped." if dry_run else STOPPED
    interruption, lines = Interruption(), Lines(file)
    batches = interruption.batches(_rows(lines, columns, judge), BATCH)
    with _report(report_path) as report, progress(file, lines, report) as show_progress:
        work = _import_all(settings, batches, report, show_progress, dry_run)
        failure = _failure(work, stopped)
    finished = failure is None and not interruption.asked
    if failure is None or report.rows:
        answer = Answer(report.totals, columns.ignored, dry_run=dry_run, finished=finished)
        show_answer(answer, as_json=as_json)
    _end(failure, stopped, finished=finished)


def _end(failure: click.ClickException | None, stopped: str, *, finished: bool) -> None:
    if failure is not None:
        raise failure
    if not finished:
        click.echo(stopped, err=True)
        sys.exit(INTERRUPTED)


def _failure(work: Coroutine[Any, Any, None], stopped: str) -> click.ClickException | None:
    try:
        run(work)
    except UnreadableFile as error:
        return click.ClickException(str(error))
    except click.ClickException as error:
        return click.ClickException(f"{error.message} {stopped}")
    return None


async def _import_all(
    settings: Settings,
    batches: Iterator[list[Row]],
    report: Report,
    show_progress: Callable[[], None],
    dry_run: bool,
) -> None:
    by = Actor("operator", operator())
    async with database(settings) as db:
        importing = DryRun(db) if dry_run else Import(db, by)
        for batch in batches:
            await import_batch(batch, importing, report)
            show_progress()


def _rows(lines: Lines, columns: Columns, judge: Judge) -> Iterator[Row]:
    for record in records(lines, columns):
        yield judge(record) if isinstance(record, Record) else record


@contextmanager
def _report(path: str | None) -> Iterator[Report]:
    """For the operator's eyes alone: it holds people's addresses."""
    if path is None:
        yield Report(None)
        return
    try:
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}.") from error
    with os.fdopen(opened, "w") as stream:
        yield Report(stream)
