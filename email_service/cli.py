"""`python -m email_service [run | dead-letters … | preview]`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click as plain_click
import msgspec
import rich_click as click
import uvloop
from redis.exceptions import RedisError
from rich.console import Console
from rich.table import Table

from email_service import worker
from email_service.dead_letters.reading import DeadLetter, DeadLetters
from email_service.preview import write_previews
from email_service.settings import Settings, read_brand, read_settings
from shared.env import UnsafeSettings
from shared.kafka import KafkaUnavailable, Producer
from shared.log import configure_log

UNSAFE = 2


def main() -> None:
    """Run the command line; settings that cannot be started with end it with code 2."""
    try:
        cli()
    except UnsafeSettings as error:
        click.echo(error.report(), err=True)
        raise SystemExit(UNSAFE) from None
    except (KafkaUnavailable, RedisError) as error:
        click.echo(f"Not now: {error}", err=True)
        raise SystemExit(1) from None


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


@cli.group("dead-letters")
def dead_letters() -> None:
    """Look at the mail that could not be sent; replay it or drop it."""


@dead_letters.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_(as_json: bool) -> None:
    """Those that were neither replayed nor dropped, oldest first."""
    letters = asyncio.run(_waiting())
    if as_json:
        for letter in letters:
            click.echo(msgspec.json.encode(letter.summary()).decode())
        return
    table = Table("id", "since", "reason", "tries", "event")
    for letter in letters:
        table.add_row(letter.id, letter.end.at, letter.why, letter.end.attempts, letter.event_id)
    Console().print(table if letters else "No dead letters.")


@dead_letters.command()
@click.argument("id")
def show(id: str) -> None:
    """One dead letter whole, as JSON."""
    [letter] = _chosen(asyncio.run(_waiting()), (id,))
    shown = msgspec.json.encode(letter.summary() | {"content": letter.content()})
    click.echo(msgspec.json.format(shown, indent=2).decode())


@dead_letters.command()
@click.argument("ids", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that can still be sent.")
def replay(ids: tuple[str, ...], everything: bool) -> None:
    """Give the original events back to their topics. A code that has ended is refused."""
    if bool(ids) == everything:
        raise plain_click.UsageError("Name the dead letters, or say --all.")
    raise SystemExit(asyncio.run(_replay(ids)))


@dead_letters.command()
@click.argument("ids", nargs=-1, required=True)
def drop(ids: tuple[str, ...]) -> None:
    """Do not list these any more."""
    asyncio.run(_drop(ids))


async def _waiting() -> list[DeadLetter]:
    async with _opened(read_settings()) as letters:
        return await letters.waiting()


async def _replay(ids: tuple[str, ...]) -> int:
    settings = read_settings()
    async with _opened(settings) as letters:
        chosen = _chosen(await letters.waiting(), ids)
        producer = Producer(settings.kafka)
        producer.start()
        try:
            refused = [letter for letter in chosen if letter.has_ended]
            for letter in chosen:
                if letter.has_ended:
                    click.echo(
                        f"{letter.id}: its code has ended; the person must ask for a new one."
                    )
                else:
                    await letters.replay(producer, letter)
                    click.echo(f"{letter.id}: replayed to {letter.end.topic}.")
        finally:
            await producer.close()
    # With --all, what has ended is passed over; by its id, it was asked for.
    return 1 if ids and refused else 0


async def _drop(ids: tuple[str, ...]) -> None:
    async with _opened(read_settings()) as letters:
        for letter in _chosen(await letters.waiting(), ids):
            await letters.drop(letter)
            click.echo(f"{letter.id}: dropped.")


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[DeadLetters]:
    redis = settings.redis.open(connections=2)
    try:
        yield DeadLetters(settings.kafka, redis)
    finally:
        await redis.aclose()


def _chosen(letters: list[DeadLetter], ids: tuple[str, ...]) -> list[DeadLetter]:
    """The letters of these ids, all without any; ends the command when one is unknown."""
    by_id = {letter.id: letter for letter in letters}
    if unknown := [id for id in ids if id not in by_id]:
        raise SystemExit(f"No dead letter waits under {', '.join(unknown)}.")
    return [by_id[id] for id in ids] if ids else letters
