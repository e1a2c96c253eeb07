"""`make run` shows the whole job at work, and leaves nothing behind when it is told to stop."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dev_stack import parts, process_tree
from dev_stack.environment import PORTS
from dev_stack.part import REPOSITORY
from dev_stack.ports import free_port


@pytest.fixture
def variables() -> dict[str, str]:
    """Free ports, and nothing that a test run has put into the environment for its services."""
    named = {name for names in parts.NAMED_BY.values() for name in names}
    kept = {"PATH", "HOME", "LANG", "TMPDIR", "CI", "JAVA_HOME", "XDG_CACHE_HOME"} - named
    inherited = {name: value for name, value in os.environ.items() if name in kept}
    return inherited | {name: str(free_port()) for name in PORTS}


@contextmanager
def running(home: Path, variables: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command's process and what it has printed until it was up, or had failed."""
    with subprocess.Popen(
        [sys.executable, "-m", "dev_stack", "run", "--home", str(home)],
        cwd=REPOSITORY,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process, printed_until(process, "Stop ")
        finally:
            process.kill()


def printed_until(process: subprocess.Popen[str], last: str) -> str:
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if last in line:
            break
    return printed


def test_run_walks_to_a_profile_and_stops_without_a_trace(
    home: Path, variables: dict[str, str]
) -> None:
    with running(home, variables) as (process, printed):
        assert "5. Read the profile with the token" in printed, printed
        assert "Gatepost is up" in printed
        assert f"http://localhost:{variables['PORT']}/docs" in printed
        assert f"http://localhost:{variables['MAIL_STAND_IN_PORT']}/" in printed
        mailbox = f"http://127.0.0.1:{variables['MAIL_STAND_IN_PORT']}/api/stats"
        with urllib.request.urlopen(mailbox) as answer:
            assert b'"doubled":0' in answer.read()

        below = process_tree.descendants(process.pid)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert time.monotonic() - began < 15
    assert [pid for pid in below if is_alive(pid)] == []


def test_death_of_a_service_is_reported_and_ends_the_stack(
    home: Path, variables: dict[str, str]
) -> None:
    with running(home, variables) as (process, printed):
        assert "Gatepost is up" in printed, printed
        worker = next(pid for pid in process_tree.descendants(process.pid) if runs_worker(pid))
        os.kill(worker, signal.SIGKILL)
        assert "Worker ended by itself" in printed_until(process, "ended by itself")
        assert process.wait(30) == 1


def test_taken_port_is_named_with_the_setting_that_moves_it(
    home: Path, variables: dict[str, str]
) -> None:
    taken = socket.create_server(("127.0.0.1", int(variables["PORT"])))
    with taken, running(home, variables) as (process, refusal):
        assert process.wait(10) == 1
    assert f"Port {variables['PORT']} is in use" in refusal
    assert "set PORT" in refusal


def runs_worker(pid: int) -> bool:
    return b"user_service\0worker" in Path(f"/proc/{pid}/cmdline").read_bytes()


def is_alive(pid: int) -> bool:
    """Whether the process runs still; one that waits for its burial does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False
