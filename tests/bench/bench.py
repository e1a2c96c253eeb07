"""What every section of the benchmark measures with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.corner import Corner
from tests.load import Cpus, Generator
from tests.load.cpus import pinned
from tests.report import Report, Size
from tests.service_process import ServiceProcess
from tests.unlimited import UNLIMITED
from user_service.settings.limits import ArgonCost

# What Gatepost ships with; tests use the cheapest.
SHIPPED_COST = ArgonCost()
REAL_COST = {
    "ARGON2_MEMORY_KIB": str(SHIPPED_COST.memory),
    "ARGON2_TIME": str(SHIPPED_COST.time),
}


@dataclass(frozen=True)
class Bench:
    """`corner` lies in parts that run, like `generator`, on `cpus.others`."""

    report: Report
    size: Size
    cpus: Cpus
    generator: Generator
    corner: Corner

    @contextmanager
    def service(self, corner: Corner | None = None, **settings: str) -> Iterator[ServiceProcess]:
        """One worker without limits on the measured processor, with the cheapest Argon2."""
        variables = (corner or self.corner).variables
        with (
            pinned(self.cpus.measured),
            ServiceProcess.started(
                variables, **UNLIMITED, **{"WORKERS": "1", "HASH_THREADS": "1", **settings}
            ) as service,
        ):
            yield service
