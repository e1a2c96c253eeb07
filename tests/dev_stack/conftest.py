"""Directories in which a server that runs as `nobody` can work, which pytest's own are not."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev_stack import unprivileged


@pytest.fixture
def home() -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="gatepost-test-"))
    place.chmod(0o711)
    yield place
    unprivileged.remove(place)
