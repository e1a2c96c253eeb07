"""Ports on loopback that servers can be given."""

from __future__ import annotations

import random
import socket

# Below the ephemeral range: a client that retries a stopped server's port there may be given that
# very port as its own, and then talks to itself.
LOWEST, HIGHEST = 12_000, 32_000


def free_port() -> int:
    """A port that nobody listened on a moment ago; raises OSError when there seems to be none."""
    for _ in range(100):
        port = random.randint(LOWEST, HIGHEST)
        if is_free(port):
            return port
    raise OSError("found no free port on 127.0.0.1")


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def answers(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something accepts connections on `port`."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False
