"""The examples as the processes that a reader starts: granian, and variables."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from dev_stack.ports import free_port
from tests.corner import Corner
from tests.service_process import START_SECONDS, ServiceProcess
from tests.user_service.neighbour import SOURCE
from tests.user_service.services import registered

PACKAGE = Path("clients/python").absolute()


@dataclass
class Example:
    name: str
    url: str
    process: subprocess.Popen[bytes]
    log_path: Path
    variables: Mapping[str, str]

    @classmethod
    @contextmanager
    def launched(cls, name: str, variables: Mapping[str, str]) -> Iterator[Example]:
        """It may not be up yet: see `come_up`."""
        port = free_port()
        with tempfile.TemporaryDirectory() as folder:
            log_path = Path(folder) / "example.log"
            server = [sys.executable, "-m", "granian", "--interface", "asgi", "--no-access-log"]
            with log_path.open("wb") as log:
                process = subprocess.Popen(
                    [*server, "--port", str(port), f"examples.{name}_service:app"],
                    env={**variables, "PYTHONPATH": str(PACKAGE)},
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            try:
                yield cls(name, f"http://127.0.0.1:{port}", process, log_path, variables)
            finally:
                process.terminate()
                code = process.wait(15)
            assert code == 0, log_path.read_text()

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def come_up(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if httpx.get(self.url, timeout=3).status_code == 401:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"{self.name} did not start:\n{self.log}")


def variables_for(corner: Corner, service: ServiceProcess, mode: str) -> dict[str, str]:
    """How an example knows of revocations: by `kafka` or by `introspection`."""
    common = {"GATEPOST_ISSUER": f"http://localhost:{service.port}"}
    if mode == "kafka":
        return common | {
            "GATEPOST_KAFKA_BROKER": corner.variables["KAFKA_BROKER"],
            "GATEPOST_KAFKA_TOPIC_PREFIX": corner.topic_prefix,
            "GATEPOST_LIFECYCLE_SOURCES": SOURCE,
            # A machine that stands still for a moment is not what is tested.
            "GATEPOST_MOST_BEHIND_SECONDS": "20",
        }
    credentials = registered(corner, service)
    return common | {
        "GATEPOST_CLIENT_ID": credentials.id,
        "GATEPOST_CLIENT_SECRET": credentials.secret,
    }
