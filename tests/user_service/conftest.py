"""A worker that heeds other services, such a service, and an installation with keys of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person
from tests.user_service.neighbour import OTHER_SOURCE, SOURCE, Neighbour
from tests.user_service.signing_keys import Installation, database, inhabited
from tests.worker_process import WorkerProcess


@pytest.fixture(scope="module")
def worker(corner: Corner) -> Iterator[WorkerProcess]:
    sources = {"LIFECYCLE_SOURCES": f"{SOURCE}, {OTHER_SOURCE}"}
    with WorkerProcess.forked(corner.variables, **sources) as worker:
        worker.come_up()
        yield worker
        assert asyncio.run(worker.stop()) < 15


@pytest.fixture
def neighbour(corner: Corner) -> Iterator[Neighbour]:
    with Neighbour.of(corner) as neighbour:
        yield neighbour


@pytest.fixture(scope="session")
def keyed_template(corner: Corner, mailroom: Mailroom) -> Iterator[tuple[str, Person]]:
    with inhabited(corner, mailroom) as made:
        yield made


@pytest.fixture
def installation(corner: Corner, keyed_template: tuple[str, Person]) -> Iterator[Installation]:
    name, person = keyed_template
    with database(corner, template=name) as own:
        installation = Installation(own, person)
        with installation.stack:
            yield installation
