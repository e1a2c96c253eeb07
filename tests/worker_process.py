"""The user service's worker as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from dev_stack.ports import free_port
from tests.forked import Forked, Streams

START_SECONDS = 20.0

Process = subprocess.Popen[bytes] | Forked


@dataclass
class WorkerProcess:
    process: Process
    log_path: Path
    probe: str

    @classmethod
    def started(
        cls, variables: Mapping[str, str], **settings: str
    ) -> AbstractContextManager[WorkerProcess]:
        """It may not be up yet; whatever is left of it at the end is killed."""
        return cls._running(_executed, {**variables, **settings})

    @classmethod
    def forked(
        cls, variables: Mapping[str, str], **settings: str
    ) -> AbstractContextManager[WorkerProcess]:
        """The same in less time, where it does not matter how a worker begins and ends."""
        return cls._running(_forked, {**variables, **settings})

    @classmethod
    @contextmanager
    def _running(
        cls, start: Callable[[dict[str, str], Path], Process], variables: dict[str, str]
    ) -> Iterator[WorkerProcess]:
        port = free_port()
        with tempfile.TemporaryDirectory() as folder:
            log_path = Path(folder) / "worker.log"
            process = start(variables | {"WORKER_PROBE_PORT": str(port)}, log_path)
            try:
                yield cls(process, log_path, f"http://127.0.0.1:{port}")
            except BaseException:
                print(log_path.read_text())  # pytest shows it where a test fails
                raise
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


def _executed(variables: dict[str, str], log_path: Path) -> Process:
    command = [sys.executable, "-m", "user_service", "worker"]
    with log_path.open("wb") as log:
        return subprocess.Popen(command, env=variables, stdout=log, stderr=log)


def _forked(variables: dict[str, str], log_path: Path) -> Process:
    log_path.touch()
    streams = Streams(Path(os.devnull), log_path, log_path)
    return Forked.started("user_service", ["worker"], variables, streams)
