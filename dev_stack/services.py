"""Gatepost's own processes as parts of the stack."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from dev_stack.part import REPOSITORY, Part, PartFailed
from dev_stack.ports import answers

Environment = Mapping[str, str]


def migrate(home: Path, environment: Environment) -> None:
    """Apply the schema and the topics; raises PartFailed with what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "user_service", "migrate"],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    (home / "logs" / "migrate.log").write_text(done.stdout + done.stderr)
    if done.returncode != 0:
        raise PartFailed(f"The migration failed:\n{done.stdout}{done.stderr}")


def mail_stand_in(home: Path, environment: Environment) -> Part:
    """SendGrid's stand-in, not yet started."""
    command = "dev_stack mail-stand-in"
    port = int(environment["MAIL_STAND_IN_PORT"])
    return _part("SendGrid stand-in", command, home, environment, port, _accepts)


def gatepost(home: Path, environment: Environment) -> list[Part]:
    """The user service, its worker and the email service, not yet started."""
    ports = [int(environment[f"{name}PORT"]) for name in ("", "WORKER_PROBE_", "EMAIL_PROBE_")]
    return [
        _part("User service", "user_service serve", home, environment, ports[0], is_ready),
        _part("Worker", "user_service worker", home, environment, ports[1], is_ready),
        _part("Email service", "email_service run", home, environment, ports[2], is_ready),
    ]


def _part(
    name: str,
    command: str,
    home: Path,
    environment: Environment,
    port: int,
    ready: Callable[[Part], bool],
) -> Part:
    return Part(
        name=name,
        command=[sys.executable, "-m", *command.split()],
        log=home / "logs" / f"{name.lower().replace(' ', '-')}.log",
        ready=ready,
        port=port,
        url=f"http://127.0.0.1:{port}",
        directory=REPOSITORY,
        environment=environment,
        patience=15.0,
        death_signal=signal.SIGTERM,
    )


def _accepts(part: Part) -> bool:
    return answers(part.port)


def is_ready(part: Part) -> bool:
    """Whether its probe says so."""
    try:
        with urllib.request.urlopen(f"{part.url}/health/ready", timeout=2):
            return True
    except OSError:
        return False
