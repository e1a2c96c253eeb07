"""One JSON line per event on standard output, with the time in UTC."""

from __future__ import annotations

import sys
from typing import Any, TextIO

import msgspec
import structlog


def _serialize(event: Any, **_: Any) -> str:
    return msgspec.json.encode(event).decode()


def configure_log(service: str, stream: TextIO = sys.stdout) -> None:
    """Send every structlog line of this process to `stream` as JSON, marked with `service`."""

    def mark(_logger: Any, _method: str, event: structlog.types.EventDict) -> Any:
        event["service"] = service
        return event

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            mark,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_serialize),
        ],
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )


def masked(address: str) -> str:
    """An email address as log lines may show it: `j***@example.org`."""
    local, _, domain = address.partition("@")
    return f"{local[:1]}***@{domain}"
