"""GET /health, /health/live, /health/ready and /metrics."""

from __future__ import annotations

import hmac
import os
from typing import Literal

from litestar import Response, get
from litestar.exceptions import NotFoundException
from msgspec import Struct
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from user_service.errors import NotReady, TokenRejected
from user_service.health.checkup import WELL, Checkup
from user_service.web.exchange import AnyRequest, exchange_of
from user_service.web.injected import Injected
from user_service.web.problems import documented


class Health(Struct, frozen=True):
    status: Literal["ok", "degraded"]
    parts: dict[str, str]


class Live(Struct, frozen=True):
    status: Literal["ok"] = "ok"


class MetricsAccess(Struct, frozen=True):
    """Counters tell: without a token they are shown in development only."""

    token: str
    development: bool


@get("/health", tags=["Health"], summary="Read how every part is, and what is wrong with it")
async def health(checkup: Injected[Checkup]) -> Health:
    finding = await checkup.find()
    well = WELL.issuperset(finding.parts.values())
    return Health("ok" if well else "degraded", finding.parts)


@get(
    "/health/live", tags=["Health"], summary="Ask whether the process answers", sync_to_thread=False
)
def live() -> Live:
    return Live()


@get(
    "/health/ready",
    tags=["Health"],
    summary="Ask whether logins can be answered: Postgres is up, migrated, and holds a signing key",
    responses=documented(NotReady),
)
async def ready(checkup: Injected[Checkup]) -> Live:
    if not (await checkup.find()).ready:
        raise NotReady
    return Live()


@get("/metrics", include_in_schema=False, sync_to_thread=False)
def metrics(
    request: AnyRequest,
    registry: Injected[CollectorRegistry],
    metrics_access: Injected[MetricsAccess],
) -> Response[bytes]:
    if metrics_access.token:
        given = exchange_of(request).headers.get(b"authorization", b"")
        if not hmac.compare_digest(given, f"Bearer {metrics_access.token}".encode()):
            raise TokenRejected
    elif not metrics_access.development:
        raise NotFoundException
    # As a header: Litestar would add a second charset to the media type.
    headers = {"content-type": CONTENT_TYPE_LATEST}
    return Response(generate_latest(_all_processes(registry)), headers=headers)


def _all_processes(registry: CollectorRegistry) -> CollectorRegistry:
    """The registry, or with several workers one that adds up what each of them counted."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return registry
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return together
