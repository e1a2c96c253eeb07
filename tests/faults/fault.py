"""What befalls a part of the house, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.faults.house import House
from tests.wired_parts import PartName


@dataclass(frozen=True)
class Fault:
    name: str
    begin: Callable[[House], object]
    end: Callable[[House], object]


def refuses(part: PartName, name: str = "refused") -> Fault:
    return Fault(
        name,
        lambda house: house.parts.wire(part).refuse(),
        lambda house: house.parts.wire(part).let_pass(),
    )


def hangs(part: PartName, name: str = "hung") -> Fault:
    return Fault(
        name,
        lambda house: house.parts.part(part).freeze(),
        lambda house: house.parts.part(part).thaw(),
    )


def dies(part: PartName, name: str = "killed") -> Fault:
    return Fault(
        name,
        lambda house: house.parts.part(part).kill(),
        lambda house: house.parts.part(part).start(),
    )


def full_redis(name: str = "full") -> Fault:
    return _redis_with("maxmemory", name)


def lone_redis(name: str = "lacks replicas") -> Fault:
    """It refuses writes by a word that its client has no class for, as it does with a full disk."""
    return _redis_with("min-replicas-to-write", name)


def each(*faults: Fault) -> pytest.MarkDecorator:
    """Run a test with its `fault` being each of these."""
    return pytest.mark.parametrize("fault", faults, ids=lambda fault: fault.name)


def _redis_with(setting: str, name: str) -> Fault:
    return Fault(
        name,
        lambda house: house.store.config_set(setting, 1),
        lambda house: house.store.config_set(setting, 0),
    )
