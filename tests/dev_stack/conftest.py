"""Directories in which a server that runs as `nobody` can work, which pytest's own are not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dev_stack import unprivileged


@pytest.fixture
def home() -> Iterator[Path]:
    with unprivileged.temporary_home() as place:
        yield place
