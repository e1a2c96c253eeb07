"""`migrate`: everything that must be there before a service starts."""

from __future__ import annotations

import asyncpg
import rich_click as click
import uvloop

from shared import topics
from shared.kafka import KafkaUnavailable, create_topics
from shared.log import configure_log
from user_service.cli.command import database, other_master_key, settings_or_exit
from user_service.identity.key_rotation import ensure_signing_key
from user_service.identity.master_key import MasterKey, WrongMasterKey
from user_service.settings import Settings
from user_service.storage.migrate import MigrationChanged, migrate


@click.command("migrate")
def run_migrate() -> None:
    """Apply the schema, make the first signing key, create the topics. Safe to repeat."""
    settings = settings_or_exit()
    configure_log("migrate", level=settings.log_level)
    try:
        uvloop.run(_migrate(settings))
    except WrongMasterKey as error:
        raise click.ClickException(other_master_key(error)) from error
    except (MigrationChanged, OSError, asyncpg.PostgresError, KafkaUnavailable) as error:
        raise click.ClickException(f"{type(error).__name__}: {error}") from error


async def _migrate(settings: Settings) -> None:
    for name in await migrate(settings.database):
        click.echo(f"applied {name}")
    if not settings.jwt_secret and (kid := await _ensure_signing_key(settings)):
        click.echo(f"made signing key {kid}")
    for name in await create_topics(settings.kafka, topics.ALL):
        click.echo(f"created topic {name}")
    click.echo("Everything is in place.")


async def _ensure_signing_key(settings: Settings) -> str | None:
    async with database(settings) as db, db.transaction() as tx:
        return await ensure_signing_key(tx, MasterKey(settings.master_key))
