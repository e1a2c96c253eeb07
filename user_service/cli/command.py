"""What every command begins and ends with: settings, a database, a table or JSON."""

from __future__ import annotations

import json
import os
import pwd
import sys
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec
import rich_click as click
import uvloop
from rich.markup import escape
from rich.table import Table

from shared.env import UnsafeSettings
from shared.kafka import KafkaUnavailable
from shared.log import configure_log
from shared.terminal import print_table, printable
from user_service.audit import audit_store
from user_service.audit.audit_store import Action, Actor
from user_service.errors import InvalidFields, Overtaken, Refusal, Unavailable
from user_service.identity.master_key import WrongMasterKey
from user_service.settings import Settings, read_settings
from user_service.storage.postgres import Database, Transaction

UNSAFE = 2

T = TypeVar("T")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def settings_or_exit() -> Settings:
    """The settings; prints what is wrong with them and ends the process with 2."""
    try:
        return read_settings()
    except UnsafeSettings as unsafe:
        click.echo(unsafe.report(), err=True)
        sys.exit(UNSAFE)


def operator_settings(command: str) -> Settings:
    """The settings of an operator's command, whose log goes to standard error.

    What is printed on standard output is the answer, and may be read by a program.
    """
    settings = settings_or_exit()
    configure_log(command, sys.stderr, level=settings.log_level)
    return settings


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[Database]:
    """Postgres for as long as a command runs."""
    db = Database(settings.database)
    await db.open()
    try:
        yield db
    finally:
        await db.close()


def run(work: Coroutine[Any, Any, T]) -> T:
    """The work's result; refusals and outages end the process with 1 and a sentence."""
    try:
        return uvloop.run(work)
    except Overtaken as error:
        raise click.ClickException(str(error)) from error
    except Unavailable as error:
        reason = f": {error.__cause__}" if error.__cause__ else "."
        raise click.ClickException(f"{error} does not answer{reason}") from error
    except InvalidFields as refusal:
        wrong = (f"{field}: {sentence}" for field, sentence in (refusal.fields or {}).items())
        raise click.ClickException(" ".join(wrong)) from refusal
    except Refusal as refusal:
        raise click.ClickException(refusal.detail) from refusal
    except KafkaUnavailable as error:
        raise click.ClickException(f"Kafka does not answer: {error}") from error
    except WrongMasterKey as error:
        raise click.ClickException(other_master_key(error)) from error


def operator() -> str:
    """Whose process this is, by the system and not by what the environment says."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # containers run as users that have no name
        return str(os.getuid())


async def record(tx: Transaction, action: Action, detail: str) -> None:
    """Write into the audit what the operator did; `detail` is the key, or the client's id."""
    await audit_store.write(tx, None, action, Actor("operator", operator()), detail=detail)


def other_master_key(error: WrongMasterKey) -> str:
    """What to do about a MASTER_KEY that does not fit the signing keys."""
    return (
        f"{error} Bring that one back; or delete the rows of the table signing_keys, which ends "
        "every access token."
    )


def show(rows: Sequence[Mapping[str, Any]], *, as_json: bool, empty: str) -> None:
    """Rows with the same names, as a table for people or as a JSON array; `empty` says there is
    none."""
    if as_json:
        show_json(rows)
    elif not rows:
        click.echo(empty)
    else:
        table = Table(*(name.replace("_", " ") for name in rows[0]), box=None, pad_edge=False)
        for row in rows:
            table.add_row(*(_cell(value) for value in row.values()))
        print_table(table)


def show_json(value: Any) -> None:
    """In ASCII: what strangers wrote, like a User-Agent, must not steer the terminal."""
    click.echo(json.dumps(msgspec.to_builtins(value), indent=2))


def _cell(value: object) -> str:
    return "" if value is None else escape(printable(str(value)))
