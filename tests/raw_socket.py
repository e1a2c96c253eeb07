"""Bytes to a server as no HTTP client would send them."""

from __future__ import annotations

import socket
import time

from msgspec import Struct

from tests.service_process import ServiceProcess


class RawAnswer(Struct):
    """`status` is 0 when nothing was answered; `closed` tells that the server hung up."""

    status: int
    content: bytes
    closed: bool
    seconds: float


def exchange(service: ServiceProcess, sent: bytes, *, patience: float = 0.5) -> RawAnswer:
    """Send and read until the server hangs up, or has been silent for `patience` seconds."""
    began = time.monotonic()
    received, closed, last = b"", False, began
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.settimeout(patience)
        try:
            connection.sendall(sent)
            while chunk := connection.recv(65536):
                received += chunk
                last = time.monotonic()
            closed = True
        except ConnectionError:
            closed = True
        except TimeoutError:
            pass
    status = int(received.split(b" ", 2)[1]) if received.startswith(b"HTTP/") else 0
    return RawAnswer(status, received, closed, last - began)
