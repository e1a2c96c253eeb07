"""The user service's worker as a process of its own."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.service_process import free_port

START_SECONDS = 20.0


@dataclass
class WorkerProcess:
    process: subprocess.Popen[bytes]
    log_path: Path
    probe: str

    @classmethod
    @contextmanager
    def started(cls, variables: Mapping[str, str], **settings: str) -> Iterator[WorkerProcess]:
        """It may not be up yet; whatever is left of it at the end is killed."""
        port = free_port()
        with tempfile.TemporaryDirectory() as folder:
            log_path = Path(folder) / "worker.log"
            with log_path.open("wb") as stream:
                process = subprocess.Popen(
                    [sys.executable, "-m", "user_service", "worker"],
                    env={**variables, "WORKER_PROBE_PORT": str(port), **settings},
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                )
            try:
                yield cls(process, log_path, f"http://127.0.0.1:{port}")
            finally:
                process.kill()
                process.wait()

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]

    async def up(self) -> bool:
        assert self.process.poll() is None, self.log
        return "worker_started" in self.log

    def come_up(self) -> None:
        """Wait until it works."""
        deadline = time.monotonic() + START_SECONDS
        while "worker_started" not in self.log:
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)

    def metrics(self) -> str:
        return httpx.get(self.probe + "/metrics", timeout=5).text

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric over the samples that have these labels."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        samples = re.findall(rf"^{name}({{.*}})? (\S+)$", self.metrics(), re.MULTILINE)
        return sum(float(n) for told, n in samples if all(each in told for each in wanted))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    async def stop(self) -> float:
        """The seconds until it has exited in good order."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(self.process.wait, 15)
        assert code == 0, self.log
        return time.monotonic() - began
