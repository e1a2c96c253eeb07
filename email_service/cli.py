"""`python -m email_service [run | dead-letters … | preview]`."""

from __future__ import annotations

import math
import time
from datetime import datetime
from pathlib import Path

import click as plain_click
import msgspec
import rich_click as click
import uvloop
from msgspec import Struct

from email_service import worker
from email_service.orders import NOTICE_SECONDS
from email_service.preview import write_previews
from email_service.settings import read_brand, read_settings
from shared.dead_letters.commands import Desk, dead_letter_commands
from shared.dead_letters.reading import DeadLetter
from shared.env import UnsafeSettings
from shared.log import configure_log
from shared.topics import MAIL

UNSAFE = 2


def main() -> None:
    """Run the command line; settings that cannot be started with end it with code 2."""
    try:
        cli()
    except UnsafeSettings as error:
        click.echo(error.report(), err=True)
        raise SystemExit(UNSAFE) from None


@click.group(invoke_without_command=True)
@click.pass_context
def cli(context: plain_click.Context) -> None:
    """Sends Gatepost's mail. Without a command it runs the worker."""
    if context.invoked_subcommand is None:
        context.invoke(run)


@cli.command()
def run() -> None:
    """Consume what the user service asks for, and send it."""
    settings = read_settings()
    configure_log("email-service", level=settings.log_level)
    uvloop.run(worker.run(settings))


@cli.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("previews"), show_default=True)
def preview(out: Path) -> None:
    """Write every mail to HTML files, to be looked at in a browser."""
    click.echo(f"Open {write_previews(read_brand(), out)}")


class _Life(Struct):
    expires_at: float = math.inf
    occurred_at: datetime | None = None


def _too_late(letter: DeadLetter) -> str | None:
    try:
        life = msgspec.json.decode(letter.value or b"", type=_Life)
    except (ValueError, RecursionError):
        return None  # it says nothing of time
    if life.expires_at / 1000 <= time.time():
        return "its code has ended; the person must ask for a new one."
    if life.occurred_at and life.occurred_at.timestamp() + NOTICE_SECONDS <= time.time():
        return "it is no news any more, a day after it happened."
    return None


def _desk() -> Desk:
    settings = read_settings()
    return Desk(settings.kafka, settings.redis, MAIL, _too_late)


cli.add_command(
    dead_letter_commands(_desk, "Look at the mail that could not be sent; replay it or drop it.")
)
