"""`events tail | replay | dead-letters`: what travels on Kafka, for whoever operates it."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import click as plain_click
import rich_click as click

from shared.dead_letters.commands import Desk, dead_letter_commands
from shared.kafka import KafkaUnavailable, Producer
from shared.topics import INCOMING, LIFECYCLE
from user_service.cli.command import database, operator_settings, run
from user_service.cli.event_lines import listen
from user_service.outbox.outbox_store import Selection
from user_service.outbox.replay import Replay
from user_service.settings import Settings

NAMES = [topic.name for topic in LIFECYCLE]
UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class Moment(plain_click.ParamType[datetime]):
    """`2026-11-21T08:00:00Z`, UTC unless it says otherwise; or an age: `90m`, `2h`, `3d`."""

    name = "moment"

    def convert(self, value: Any, param: Any, context: Any) -> datetime:
        with suppress(ValueError, OverflowError):
            if unit := UNITS.get(value[-1:]):
                return datetime.now(UTC) - timedelta(**{unit: float(value[:-1])})
            at = datetime.fromisoformat(value)
            return at if at.tzinfo else at.replace(tzinfo=UTC)
        return self.fail(f"{value!r} is no time like 2026-11-21T08:00, nor an age like 2h.")


topic_option = click.option(
    "--topic", "topics", multiple=True, type=click.Choice(NAMES), help="Repeat it for several."
)
user_option = click.option("--user", type=click.UUID, help="Only events of this user.")


@click.group()
def events() -> None:
    """Watch the lifecycle events, produce them again, look after those that were unusable."""


@events.command()
@topic_option
@user_option
@click.option("--from", "start", type=click.Choice(["beginning", "now"]), default="now")
@click.option("--json", "as_json", is_flag=True, help="Whole, one JSON object a line.")
def tail(
    topics: tuple[str, ...], user: UUID | None, start: Literal["beginning", "now"], as_json: bool
) -> None:
    """Show events as they come, until Ctrl-C. Names and addresses are masked, except in JSON."""
    settings = operator_settings("events")
    for number in (signal.SIGINT, signal.SIGTERM):
        # At once: a client that has joined no group holds nothing, and closing it may take long.
        # Set for both, because a shell's background jobs inherit that SIGINT is ignored.
        signal.signal(number, lambda *_: os._exit(0))
    heard = listen(settings.kafka, topics or NAMES, from_beginning=start == "beginning")
    try:
        for event in heard:
            if user is None or event.key == str(user):
                click.echo(event.as_json() if as_json else event.as_line())
    except KafkaUnavailable as error:
        raise click.ClickException(f"Kafka does not answer: {error}") from error


@events.command()
@topic_option
@user_option
@click.option("--since", type=Moment(), help="2026-11-21T08:00 (UTC), or an age: 90m, 2h, 3d.")
@click.option("--until", type=Moment(), help="The same; what happened at that moment is left out.")
@click.option("--dry-run", is_flag=True, help="Say how many it would be.")
def replay(
    topics: tuple[str, ...],
    user: UUID | None,
    since: datetime | None,
    until: datetime | None,
    dry_run: bool,
) -> None:
    """Produce events of the last 7 days again, under their own ids and in their order.

    Whoever has seen them knows them by the id. Mails are not sent again.
    """
    key = str(user) if user else None
    chosen = Selection(list(topics) or NAMES, key, since, until)
    run(_replay(operator_settings("events"), chosen, dry_run))


async def _replay(settings: Settings, chosen: Selection, dry_run: bool) -> None:
    producer = Producer(settings.kafka, timeout=10.0)
    async with database(settings) as db:
        replay = Replay(db, producer, settings.kafka)
        kept = await replay.look(chosen)
        if kept.pending:
            click.echo(f"{kept.pending} wait for their first time, and are left to the worker.")
        if dry_run:
            click.echo(f"{kept.produced} would be produced again.")
            return
        producer.start()
        many = 0
        try:
            async for done in replay.run(chosen, kept.last):
                many = done
        finally:
            click.echo(f"{many} of {kept.produced} were produced again.")
            await producer.close()


def _desk() -> Desk:
    settings = operator_settings("events")
    return Desk(settings.kafka, settings.redis, INCOMING)


events.add_command(
    dead_letter_commands(_desk, "Look at what came in and could not be used; replay or drop it.")
)
