"""`python -m user_service serve | worker | migrate`."""

from __future__ import annotations

import os
import resource
import sys
import tempfile

import asyncpg
import rich_click as click
import uvloop
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server as Granian

from shared import topics
from shared.env import UnsafeSettings
from shared.kafka import KafkaUnavailable, create_topics
from shared.log import configure_log
from user_service import worker
from user_service.identity.keyring import ensure_signing_key
from user_service.identity.master_key import MasterKey, WrongMasterKey
from user_service.settings import Settings, read_settings
from user_service.storage.migrate import MigrationChanged, migrate
from user_service.storage.postgres import Database

UNSAFE = 2
DRAIN_SECONDS = 10
HEADER_MILLISECONDS = 5_000
MOST_CONNECTIONS = 16_384


@click.group()
def main() -> None:
    """Registration, login and profile: the user service of Gatepost.

    Settings come from environment variables; .env.example lists all of them.
    """


@main.command()
def serve() -> None:
    """Answer HTTP requests on HOST:PORT until SIGTERM."""
    settings = _settings()
    configure_log("user-service", level=settings.log_level)
    _allow_many_connections()
    if settings.workers > 1:
        # Where the processes' counters meet; must be empty at the start.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="gatepost-metrics-")
    Granian(
        "user_service.app:create",
        factory=True,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        websockets=False,
        # Idle connections are cheap to open, so they are cheap to hold and short-lived.
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_MILLISECONDS),
        backlog=4096,
        backpressure=MOST_CONNECTIONS,
        workers=settings.workers,
        workers_kill_timeout=DRAIN_SECONDS,
        respawn_failed_workers=True,
        log_level=LogLevels.warning,
    ).serve()


@main.command("worker")
def run_worker() -> None:
    """Produce the outbox's events to Kafka, and sweep what is old, until SIGTERM."""
    settings = _settings()
    configure_log("worker", level=settings.log_level)
    uvloop.run(worker.run(settings))


@main.command("migrate")
def run_migrate() -> None:
    """Apply the schema, make the first signing key, create the topics. Safe to repeat."""
    settings = _settings()
    configure_log("migrate", level=settings.log_level)
    try:
        uvloop.run(_migrate(settings))
    except WrongMasterKey as error:
        raise click.ClickException(
            "MASTER_KEY is not the one that the signing keys in Postgres were sealed under. "
            "Bring that one back; or delete the table's rows, which ends every access token."
        ) from error
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
    db = Database(settings.database)
    await db.open()
    try:
        async with db.transaction() as tx:
            return await ensure_signing_key(tx, MasterKey(settings.master_key))
    finally:
        await db.close()


def _allow_many_connections() -> None:
    """Raise the limit of open files as far as connections need and the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + 1024
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _settings() -> Settings:
    try:
        return read_settings()
    except UnsafeSettings as unsafe:
        click.echo(unsafe.report(), err=True)
        sys.exit(UNSAFE)
