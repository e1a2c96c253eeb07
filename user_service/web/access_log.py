"""One log line and one measurement for every request; no body, no query, no cookie."""

from __future__ import annotations

from typing import cast

import structlog
from litestar.types import HTTPScope
from prometheus_client import CollectorRegistry, Counter, Histogram

from user_service.web.exchange import Exchange

log = structlog.get_logger()

BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0)


class AccessLog:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "gatepost_requests",
            "Answered requests.",
            ("path", "status", "code"),
            registry=registry,
        )
        self._seconds = Histogram(
            "gatepost_request_seconds",
            "Time from the request's first byte to the end of its answer.",
            ("path",),
            buckets=BUCKETS,
            registry=registry,
        )

    def write(self, scope: HTTPScope, exchange: Exchange, seconds: float) -> None:
        # The template, not the path: one label for each URL would fill the memory.
        path = cast("str | None", scope.get("path_template")) or "unmatched"
        self._requests.labels(path, str(exchange.status), exchange.code or "").inc()
        self._seconds.labels(path).observe(seconds)
        log.info(
            "request",
            method=scope["method"],
            path=path,
            status=exchange.status,
            code=exchange.code,
            subject=exchange.subject,
            address=exchange.client.address,
            ms=round(seconds * 1000, 1),
            request_id=exchange.request_id,
        )
