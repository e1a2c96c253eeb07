"""A daemon with a probe, as the process it is."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

START_SECONDS = 20.0


@contextmanager
def daemon(
    *command: str, variables: Mapping[str, str], port: int, logs: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m <command>`, ready by its probe on `port`; ended by SIGTERM, which must suffice."""
    log_path = logs / f"{command[0]}.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], env=variables, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        _wait_until_ready(process, f"http://127.0.0.1:{port}/health/ready", log_path)
        yield process
        process.terminate()
        assert process.wait(15) == 0, log_path.read_text()
    finally:
        process.kill()


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log_path: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(url, timeout=3).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"not ready:\n{log_path.read_text()}")
