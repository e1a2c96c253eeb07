"""`… dead-letters list | show | replay | drop`, for each service the dead letters of its topics."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import click as plain_click
import rich_click as click
from redis.exceptions import RedisError
from rich.markup import escape
from rich.table import Table

from shared.dead_letters.reading import DeadLetter, DeadLetters
from shared.kafka import KafkaConnection, KafkaUnavailable, Producer
from shared.redis import RedisConnection
from shared.terminal import print_table, printable
from shared.topics import Topic

T = TypeVar("T")


def replay_everything(_letter: DeadLetter) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Desk:
    """Where the letters of `topics` are; `objection` says why one cannot be replayed any more."""

    kafka: KafkaConnection
    redis: RedisConnection
    topics: Sequence[Topic]
    objection: Callable[[DeadLetter], str | None] = replay_everything

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[DeadLetters]:
        redis = self.redis.open(connections=2)
        try:
            yield DeadLetters(self.kafka, redis, self.topics)
        finally:
            await redis.aclose()


def dead_letter_commands(read_desk: Callable[[], Desk], about: str) -> click.RichGroup:
    """The group of commands; `read_desk` is called when one of them runs."""

    @click.group("dead-letters", help=about)
    def dead_letters() -> None: ...

    @dead_letters.command("list")
    @click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
    def list_(as_json: bool) -> None:
        """Those that were neither replayed nor dropped, oldest first."""
        letters = _run(_waiting(read_desk()))
        if not letters and not as_json:
            click.echo("No dead letters.")
        elif as_json:
            for letter in letters:
                click.echo(json.dumps(letter.summary()))
        else:
            print_table(_table(letters))

    @dead_letters.command()
    @click.argument("id")
    def show(id: str) -> None:
        """One dead letter whole, as JSON."""
        [letter] = _chosen(_run(_waiting(read_desk())), (id,))
        click.echo(json.dumps(letter.summary() | {"content": letter.content()}, indent=2))

    @dead_letters.command()
    @click.argument("ids", nargs=-1)
    @click.option("--all", "everything", is_flag=True, help="All that can still be sent.")
    def replay(ids: tuple[str, ...], everything: bool) -> None:
        """Give the original events back to their topics. A code that has ended is refused."""
        if bool(ids) == everything:
            raise plain_click.UsageError("Name the dead letters, or say --all.")
        raise SystemExit(_run(_replay(read_desk(), ids)))

    @dead_letters.command()
    @click.argument("ids", nargs=-1, required=True)
    def drop(ids: tuple[str, ...]) -> None:
        """Do not list these any more."""
        _run(_drop(read_desk(), ids))

    return dead_letters


def _run(work: Coroutine[Any, Any, T]) -> T:
    """The work's result; an outage ends the process with 1 and a sentence."""
    try:
        return asyncio.run(work)
    except (KafkaUnavailable, RedisError) as error:
        click.echo(f"Not now: {error}", err=True)
        raise SystemExit(1) from None


def _table(letters: list[DeadLetter]) -> Table:
    table = Table("id", "since", "reason", "tries", "event")
    for letter in letters:
        cells = (letter.id, letter.end.at, letter.why, letter.end.attempts, letter.event_id)
        table.add_row(*(escape(printable(cell)) for cell in cells))
    return table


async def _waiting(desk: Desk) -> list[DeadLetter]:
    async with desk.opened() as letters:
        return await letters.waiting()


async def _replay(desk: Desk, ids: tuple[str, ...]) -> int:
    refused = False
    async with desk.opened() as letters:
        chosen = _chosen(await letters.waiting(), ids)
        producer = Producer(desk.kafka)
        producer.start()
        try:
            for letter in chosen:
                if objection := desk.objection(letter):
                    refused = True
                    click.echo(f"{letter.id}: {objection}")
                else:
                    await letters.replay(producer, letter)
                    click.echo(f"{letter.id}: replayed to {letter.end.topic}.")
        finally:
            await producer.close()
    # With --all, what has ended is passed over; by its id, it was asked for.
    return 1 if ids and refused else 0


async def _drop(desk: Desk, ids: tuple[str, ...]) -> None:
    async with desk.opened() as letters:
        for letter in _chosen(await letters.waiting(), ids):
            await letters.drop(letter)
            click.echo(f"{letter.id}: dropped.")


def _chosen(letters: list[DeadLetter], ids: tuple[str, ...]) -> list[DeadLetter]:
    """The letters of these ids, all without any; ends the command when one is unknown."""
    by_id = {letter.id: letter for letter in letters}
    if unknown := [id for id in ids if id not in by_id]:
        raise SystemExit(f"No dead letter waits under {', '.join(unknown)}.")
    return [by_id[id] for id in ids] if ids else letters
