"""A stand-in issuer and an event stream for clients, and time to wait for them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.clients.python.event_stream import EventStream
from tests.clients.python.stand_in_issuer import StandIn


@pytest.fixture
async def issuer(anyio_backend: str) -> AsyncIterator[StandIn]:
    async with StandIn.opened() as issuer:
        yield issuer


@pytest.fixture(scope="session")
def stream() -> EventStream:
    return EventStream()
