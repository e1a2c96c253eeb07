"""The user service as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from dev_stack.ports import free_port

START_SECONDS = 20.0


@dataclass
class ServiceProcess:
    """`url` is where it answers; `lines` is what it has logged."""

    process: subprocess.Popen[bytes]
    url: str
    log_path: Path

    @classmethod
    @contextmanager
    def started(
        cls, variables: Mapping[str, str], *, ready: str = "/health/ready", **settings: str
    ) -> Iterator[ServiceProcess]:
        """`settings` are added to the environment; waits until `ready` answers 200."""
        with tempfile.TemporaryDirectory() as folder:
            service = cls._launch({**variables, **settings}, Path(folder) / "service.log")
            try:
                service._wait(ready)
                yield service
            finally:
                service.stop()

    @classmethod
    def _launch(cls, variables: dict[str, str], log_path: Path) -> ServiceProcess:
        port = free_port()
        variables = {"PUBLIC_BASE_URL": f"http://localhost:{port}"} | variables
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "user_service", "serve"],
                env=variables | {"PORT": str(port)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return cls(process, f"http://127.0.0.1:{port}", log_path)

    def _wait(self, path: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if httpx.get(self.url + path, timeout=3).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"the service did not start:\n{self.log_path.read_text()}")

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]

    @property
    def errors(self) -> list[dict[str, Any]]:
        """What it has logged as errors of its own: a machine that stands still is an outage."""
        of_ours = (line for line in self.lines if line["event"] != "dependency_down")
        return [line for line in of_ours if line["level"] == "error"]

    def client(self, address: str | None = None, **headers: str) -> httpx.AsyncClient:
        """A client whose requests come from `address`, as the trusted proxy tells."""
        forwarded = {"x-forwarded-for": address} if address else {}
        return httpx.AsyncClient(base_url=self.url, headers={**forwarded, **headers}, timeout=20)

    def stop(self, signum: int = signal.SIGTERM) -> int:
        """The exit code."""
        if self.process.poll() is None:
            os.kill(self.process.pid, signum)
        return self.process.wait(timeout=20)


def logged(service: ServiceProcess, *subjects: str) -> Callable[[], Awaitable[bool]]:
    """Asks whether the log knows of requests about all of them; it is written after the answer."""

    async def asked() -> bool:
        return set(subjects) <= {line.get("subject") for line in service.lines}

    return asked
