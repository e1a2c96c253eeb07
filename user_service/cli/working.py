"""`worker`: the daemon behind the HTTP service."""

from __future__ import annotations

import rich_click as click
import uvloop

from shared.log import configure_log
from user_service import worker
from user_service.cli.command import settings_or_exit


@click.command("worker")
def run_worker() -> None:
    """Produce the outbox's events to Kafka, follow other services' events and Clerk's users, rotate
    signing keys and sweep, until SIGTERM.
    """
    settings = settings_or_exit()
    configure_log("worker", level=settings.log_level)
    uvloop.run(worker.run(settings))
