"""A worker that heeds other services, and such a service."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.corner import Corner
from tests.user_service.neighbour import OTHER_SOURCE, SOURCE, Neighbour
from tests.worker_process import WorkerProcess


@pytest.fixture(scope="module")
def worker(corner: Corner) -> Iterator[WorkerProcess]:
    sources = {"LIFECYCLE_SOURCES": f"{SOURCE}, {OTHER_SOURCE}"}
    with WorkerProcess.started(corner.variables, **sources) as worker:
        worker.come_up()
        yield worker
        assert asyncio.run(worker.stop()) < 15


@pytest.fixture
def neighbour(corner: Corner) -> Iterator[Neighbour]:
    with Neighbour.of(corner) as neighbour:
        yield neighbour
