"""B, the yardstick: what a bare Litestar JSON answer costs the same server under the same load."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dev_stack.ports import answers, free_port
from tests.bench.bench import Bench
from tests.bench.cost import Cost
from tests.load import wire
from tests.load.cpus import pinned

ENOUGH = 20_000


@dataclass(frozen=True)
class Yardstick:
    """A bare server, which waits on the measured processor while others are measured there."""

    bench: Bench
    pid: int
    url: str

    @classmethod
    @contextmanager
    def started(cls, bench: Bench) -> Iterator[Yardstick]:
        port = free_port()
        with pinned(bench.cpus.measured):
            process = subprocess.Popen([sys.executable, "-m", "tests.bench.bare", str(port)])
        try:
            while not answers(port):
                time.sleep(0.05)
            yield cls(bench, process.pid, f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
            process.wait()

    def cost(self, connections: int, seconds: float) -> Cost:
        requests = [wire("GET", "/")] * int(ENOUGH * seconds)
        return Cost.of(
            self.bench,
            self.pid,
            lambda: self.bench.generator.closed(
                self.url, requests, connections=connections, seconds=seconds
            ),
        )
