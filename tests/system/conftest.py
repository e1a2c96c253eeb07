"""The whole stack, once for each module."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.corner import Corner
from tests.service_process import ServiceProcess
from tests.system.stack import Stack


@pytest.fixture(scope="module")
async def stack(
    corner: Corner, service: ServiceProcess, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    async with Stack.started(corner, service, tmp_path_factory.mktemp("logs")) as stack:
        yield stack
