"""A range service of breached passwords on this machine, and every way in which one can fail."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

Behaviour = Literal[
    "well", "hang", "trickle", "garbage", "html", "huge", "error", "redirect", "close", "packed"
]
HUGE = 64 * 1024 * 1024


def digits(password: str) -> str:
    return sha1(password.encode()).hexdigest().upper()


@dataclass
class RangeService:
    """`asked` holds path and headers of every request; `breached` what the ranges list."""

    url: str
    breached: set[str]
    padding: set[str] = field(default_factory=set)
    behaviour: Behaviour = "well"
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    @classmethod
    @contextmanager
    def started(cls, *breached: str) -> Iterator[RangeService]:
        service = cls("", set(breached))
        server = _Server(service)
        service.url = f"http://127.0.0.1:{server.server_address[1]}/range/"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield service
        service.released.set()
        server.shutdown()
        server.server_close()

    @contextmanager
    def behaving(self, behaviour: Behaviour) -> Iterator[None]:
        self.behaviour = behaviour
        self.asked.clear()
        yield
        self.behaviour = "well"
        self.released.set()
        self.released = threading.Event()

    def range(self, prefix: str) -> str:
        """What is listed under five digits, in an order that says nothing, with padding."""
        lines = [f"{number:035X}:{number + 1}" for number in range(800)]
        for password, count in [(p, 12) for p in self.breached] + [(p, 0) for p in self.padding]:
            if digits(password).startswith(prefix):
                lines.insert(400, f"{digits(password)[5:]}:{count}")
        return "\r\n".join(lines)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, stage: RangeService) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.stage = stage

    def handle_error(self, request: object, client_address: object) -> None:
        """Somebody who has heard enough hangs up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        stage: RangeService = self.server.stage  # type: ignore[attr-defined]
        stage.asked.append((self.path, dict(self.headers)))
        getattr(self, f"_{stage.behaviour}")(stage, self.path.rpartition("/")[2])

    def log_message(self, *_: object) -> None:
        pass

    def _answer(
        self, body: bytes, status: int = 200, *, location: str = "", content_encoding: str = ""
    ) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        for name, value in (("location", location), ("content-encoding", content_encoding)):
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _well(self, stage: RangeService, prefix: str) -> None:
        self._answer(stage.range(prefix).encode())

    def _hang(self, stage: RangeService, prefix: str) -> None:
        stage.released.wait(20)
        self.close_connection = True

    def _trickle(self, stage: RangeService, prefix: str) -> None:
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        while not stage.released.wait(0.1):
            self.wfile.write(b"0")

    def _garbage(self, stage: RangeService, prefix: str) -> None:
        self._answer(b"\x00\xff\xfe garbage " * 40)

    def _html(self, stage: RangeService, prefix: str) -> None:
        self._answer(b"<html>Sign in to the hotel's network</html>")

    def _huge(self, stage: RangeService, prefix: str) -> None:
        line = (f"{'0' * 35}:1\r\n" * 1000).encode()
        self.send_response(200)
        self.send_header("content-length", str(HUGE))
        self.end_headers()
        self.close_connection = True
        for _ in range(HUGE // len(line)):
            self.wfile.write(line)

    def _error(self, stage: RangeService, prefix: str) -> None:
        self._answer(stage.range(prefix).encode(), 429)

    def _redirect(self, stage: RangeService, prefix: str) -> None:
        self._answer(b"", 302, location=f"/elsewhere/{prefix}")

    def _close(self, stage: RangeService, prefix: str) -> None:
        self.close_connection = True

    def _packed(self, stage: RangeService, prefix: str) -> None:
        self._answer(b"\x1f\x8b\x08 packed", content_encoding="gzip")
