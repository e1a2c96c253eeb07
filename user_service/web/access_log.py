"""One log line and one measurement for every request; no body, no query, no cookie."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from functools import cache
from typing import TextIO, cast

import msgspec
from litestar.types import HTTPScope
from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, Histogram

from shared.log import Lines
from user_service.web.exchange import Exchange

BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0)


class Line(Struct, frozen=True):
    """In the shape of every other log line; written directly, for structlog would cost as much
    as reading a profile."""

    method: str
    path: str
    status: int
    code: str | None
    subject: str | None
    address: str
    ms: float
    request_id: str
    time: datetime
    event: str = "request"
    level: str = "info"
    service: str = "user-service"


class AccessLog:
    def __init__(self, registry: CollectorRegistry, stream: TextIO = sys.stdout) -> None:
        requests = Counter(
            "gatepost_requests",
            "Answered requests.",
            ("path", "status", "code"),
            registry=registry,
        )
        seconds = Histogram(
            "gatepost_request_seconds",
            "Time from a request's first byte to the end of its answer.",
            ("path",),
            buckets=BUCKETS,
            registry=registry,
        )
        self._requests = cache(requests.labels)
        self._seconds = cache(seconds.labels)
        self._encode = msgspec.json.Encoder().encode
        self._lines = Lines(stream)

    def write(self, scope: HTTPScope, exchange: Exchange, seconds: float) -> None:
        # The template, not the path: one label for each URL would fill the memory.
        path = cast("str | None", scope.get("path_template")) or "unmatched"
        self._requests(path, str(exchange.status), exchange.code or "").inc()
        self._seconds(path).observe(seconds)
        line = Line(
            method=scope["method"],
            path=path,
            status=exchange.status,
            code=exchange.code,
            subject=exchange.subject,
            address=exchange.client.address,
            ms=round(seconds * 1000, 1),
            request_id=exchange.request_id,
            time=datetime.now(UTC),
        )
        self._lines.write(self._encode(line))
