"""One house of owned parts for each xdist worker; every test finds it whole and leaves it whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.house import House


@pytest.fixture(scope="session")
def whole_house(worker_id: str) -> Iterator[House]:
    with House.built(worker_id) as house:
        yield house


@pytest.fixture
def house(whole_house: House) -> Iterator[House]:
    before = len(whole_house.unexpected())
    yield whole_house
    whole_house.heal()
    # A failed dependency is never a fault of ours, wherever it strikes.
    assert whole_house.unexpected()[before:] == []
