"""One JSON line per event on standard output, with the time in UTC."""

from __future__ import annotations

import json
import os
import select
import stat
import sys
from contextlib import suppress
from typing import Any, Literal, TextIO, get_args

import msgspec
import structlog

PATIENCE_MILLISECONDS = 100

LogLevel = Literal["debug", "info", "warning", "error"]
LOG_LEVELS: tuple[LogLevel, ...] = get_args(LogLevel)


class Lines:
    """Writes lines past every buffer: one that nobody takes, like a full disk, is gone.

    Nobody who logs may fail for it, or wait for a reader that stands still; and what a buffer still
    held would spoil the exit code.
    """

    def __init__(self, stream: TextIO) -> None:
        self._descriptor = _unblocked(stream.fileno())
        self._reader = select.poll()
        self._reader.register(self._descriptor, select.POLLOUT)
        self._stalled = False

    def write(self, line: bytes) -> None:
        self._stalled = not self._reader.poll(0 if self._stalled else PATIENCE_MILLISECONDS)
        if not self._stalled:
            with suppress(OSError):
                os.write(self._descriptor, line + b"\n")


def _unblocked(descriptor: int) -> int:
    """A pipe is opened anew, so that others who write to it keep their own ways."""
    with suppress(OSError):
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK)
    return descriptor


class _Logger:
    """What structlog writes to: every level alike."""

    def __init__(self, stream: TextIO) -> None:
        self._lines = Lines(stream)

    def msg(self, message: bytes) -> None:
        self._lines.write(message)

    debug = info = warning = error = critical = exception = msg


def _serialize(event: Any, **_: Any) -> bytes:
    try:
        return msgspec.json.encode(event)
    except (TypeError, ValueError):
        # What is no text, like half of a surrogate pair in a server's words, is shown escaped.
        return json.dumps(event, default=repr).encode()


def configure_log(service: str, stream: TextIO = sys.stdout, *, level: LogLevel = "info") -> None:
    """Send this process's structlog lines from `level` up to `stream`, marked with `service`."""

    def mark(_logger: Any, _method: str, event: structlog.types.EventDict) -> Any:
        event["service"] = service
        return event

    logger = _Logger(stream)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            mark,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_serialize),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: logger,
        cache_logger_on_first_use=True,
    )


def masked(address: str) -> str:
    """An email address as log lines may show it: `j***@example.org`."""
    local, _, domain = address.partition("@")
    return f"{local[:1]}***@{domain}"
