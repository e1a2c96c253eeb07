"""The real parts under every test, and the services as the processes they are.

Parts that no variable names are started once for the whole run. Each xdist worker has a corner of
its own in them: a database, a Redis number, a topic prefix.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain, groupby

import httpx
import pytest

from dev_stack import parts
from tests import forked
from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.service_process import ServiceProcess

# All that these do is done by other processes; the tracer would take half of their time here.
UNTRACED_ROOMS = {"dev_stack", "faults", "system"}
PARTS = pytest.StashKey[ExitStack]()

# Every client reads all certificates of the system, 20 ms of CPU, though it speaks plain HTTP. One
# reading is enough for a process.
httpx._transports.default.create_ssl_context = functools.cache(  # type: ignore[attr-defined]
    httpx.create_ssl_context
)


def pytest_configure(config: pytest.Config) -> None:
    # Where this is set, some 300 processes compile all our sources, each for itself.
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if hasattr(config, "workerinput"):
        return  # an xdist worker: its controller has exported what it started
    stack = ExitStack()
    started = stack.enter_context(parts.disposable())
    os.environ.update(started.variables)
    config.stash[PARTS] = stack


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread tests/faults over the run: they mostly wait, and the others mostly work."""
    files = [list(file) for _, file in groupby(items, key=lambda item: item.path)]
    waiting = [file for file in files if file[0].path.parent.name == "faults"]
    working = [file for file in files if file not in waiting]
    # None of the last quarter: one that begins late would keep everybody at the end.
    stride = len(working) * 3 // 4 // max(1, len(waiting)) + 1
    for number, file in enumerate(waiting):
        working.insert(number * stride, file)
    items[:] = chain.from_iterable(working)
    for item in items:
        if item.path.parent.name in UNTRACED_ROOMS:
            item.add_marker(pytest.mark.no_cover)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    forked.close()


def pytest_unconfigure(config: pytest.Config) -> None:
    if stack := config.stash.get(PARTS, None):
        stack.close()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def corner(worker_id: str) -> Iterator[Corner]:
    """This worker's database, Redis number and topics, migrated and empty."""
    with Corner.made(worker_id) as corner:
        yield corner


@pytest.fixture(scope="session")
def service(corner: Corner) -> Iterator[ServiceProcess]:
    """The user service with every limit at its default and the cheapest Argon2."""
    with ServiceProcess.started(corner.variables) as service:
        yield service


@pytest.fixture(scope="session")
def mailroom(corner: Corner) -> Iterator[Mailroom]:
    """Reads send-otp and derives the codes, as the email service does."""
    with Mailroom.opened(corner) as mailroom:
        yield mailroom
