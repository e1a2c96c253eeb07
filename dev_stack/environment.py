"""The environment of the services under `make run`: what the user has set wins."""

from __future__ import annotations

import os
import re
import secrets
import shlex
from collections.abc import Mapping
from pathlib import Path

from dev_stack.part import REPOSITORY
from dev_stack.ports import is_free

# It names every variable that the services read.
EXAMPLE = REPOSITORY / ".env.example"

# The settings that move what listens, with the usual ports.
PORTS = {
    "PORT": "3000",
    "EMAIL_PROBE_PORT": "3001",
    "WORKER_PROBE_PORT": "3002",
    "MAIL_STAND_IN_PORT": "8025",
}
HIGHEST_PORT = 65535


def port(setting: str) -> str:
    """The port that `setting` names, or its usual one."""
    return os.environ.get(setting) or PORTS[setting]


def problems_with_ports() -> list[str]:
    """A sentence for each port that nothing can listen on, and for each that two settings name."""
    problems = []
    named: dict[str, str] = {}
    for setting in PORTS:
        number = port(setting)
        if not (re.fullmatch("[0-9]{1,5}", number) and 1 <= int(number) <= HIGHEST_PORT):
            problems.append(f"{setting} is {number!r}: a port is a number from 1 to 65535.")
        elif number in named:
            problems.append(f"{setting} and {named[number]} both name port {number}.")
        elif not is_free(int(number)):
            problems.append(f"Port {number} is in use: stop what has it, or set {setting}.")
        named.setdefault(number, setting)
    return problems


def development_secrets(home: Path) -> dict[str, str]:
    """The secrets in `home`/secrets.env, drawn at random the first time."""
    file = home / "secrets.env"
    if not file.exists():
        drawn = {
            "MASTER_KEY": secrets.token_hex(32),
            "OTP_KEYS": f"k1:{secrets.token_hex(32)}",
            "SENDGRID_API_KEY": f"SG.{secrets.token_urlsafe(32)}",
        }
        file.touch(mode=0o600)
        file.write_text("".join(f"{name}={value}\n" for name, value in drawn.items()))
    lines = file.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def of_services(home: Path, parts: Mapping[str, str]) -> dict[str, str]:
    """Every variable for the services; `parts` names the servers that were started for them."""
    given = {name: value for name, value in os.environ.items() if value}
    drawn = {
        name: value
        for name, value in development_secrets(home).items()
        if f"{name}_FILE" not in given
    }
    ports = {name: port(name) for name in PORTS}
    defaults = {
        "ENVIRONMENT": "development",
        "EMAIL_PROBE_HOST": "127.0.0.1",
        "PUBLIC_BASE_URL": f"http://localhost:{ports['PORT']}",
        "TRUSTED_PROXIES": "127.0.0.1/32,::1/128",
        "SENDER": "sendgrid",
        "SENDGRID_BASE_URL": _mailbox(ports),
        "FROM_EMAIL": "no-reply@gatepost.example",
    }
    return defaults | ports | drawn | given | dict(parts)


def write_for_shells(home: Path, variables: Mapping[str, str]) -> None:
    """Write `home`/services.env, for a shell whose commands are to meet the running services."""
    known = re.findall(r"^#?([A-Z_]+)=", EXAMPLE.read_text(), re.MULTILINE)
    lines = [
        f"{name}={shlex.quote(variables[name])}\n"
        for name in dict.fromkeys([*known, *PORTS])
        if name in variables
    ]
    file = home / "services.env"
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text("".join(lines))


def mailbox_url(environment: Mapping[str, str]) -> str | None:
    """Where our stand-in takes the services' mails; None when the user has named another sender."""
    mailbox = _mailbox(environment)
    ours = environment["SENDER"] == "sendgrid" and environment["SENDGRID_BASE_URL"] == mailbox
    return mailbox if ours else None


def _mailbox(ports: Mapping[str, str]) -> str:
    return f"http://127.0.0.1:{ports['MAIL_STAND_IN_PORT']}"
