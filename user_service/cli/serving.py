"""`serve`: the daemon that answers HTTP."""

from __future__ import annotations

import os
import resource
import tempfile

import rich_click as click
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server as Granian

from shared.log import configure_log
from user_service.cli.command import settings_or_exit

DRAIN_SECONDS = 10
HEADER_MILLISECONDS = 5_000
MOST_HEAD_BYTES = 64 * 1024
MOST_CONNECTIONS = 16_384


@click.command()
def serve() -> None:
    """Answer HTTP requests on HOST:PORT until SIGTERM."""
    settings = settings_or_exit()
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
        http1_settings=HTTP1Settings(
            header_read_timeout=HEADER_MILLISECONDS, max_buffer_size=MOST_HEAD_BYTES
        ),
        backlog=4096,
        backpressure=MOST_CONNECTIONS,
        workers=settings.workers,
        workers_kill_timeout=DRAIN_SECONDS,
        respawn_failed_workers=True,
        log_level=LogLevels.warning,
    ).serve()


def _allow_many_connections() -> None:
    """Raise the limit of open files as far as connections need and the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + 1024
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
