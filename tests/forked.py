"""Our programs as processes that start in no time, for tests of what they do and not of how.

Most of a short process's time goes into importing. These are forked, with nothing but the imports
done, from one that lives as long as the tests: environment, streams, signals, exit code and all
else are each process's own. tests/system and tests/faults start everything anew.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerProcess
from pathlib import Path

GROUPS = ("admin", "clients", "events", "imports", "keys", "migration", "working")
IMPORTED = [
    "__main__",
    "tests.forked",
    "email_service.cli",
    *(f"user_service.cli.{group}" for group in GROUPS),
]
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(IMPORTED)


@dataclass(frozen=True)
class Streams:
    """Where a process reads, writes, and complains."""

    typed: Path
    told: Path
    errors: Path


@dataclass(frozen=True)
class Forked:
    """As much of subprocess.Popen as is used of it."""

    process: ForkServerProcess

    @classmethod
    def started(
        cls, program: str, words: list[str], variables: Mapping[str, str], streams: Streams
    ) -> Forked:
        """`python -m program words…`"""
        arguments = (program, words, dict(variables), streams)
        process = _context.Process(target=_become, args=arguments)
        process.start()
        return cls(process)

    @property
    def pid(self) -> int:
        assert self.process.pid
        return self.process.pid

    def poll(self) -> int | None:
        return self.process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code; raises subprocess.TimeoutExpired."""
        self.process.join(timeout)
        if (code := self.process.exitcode) is None:
            raise subprocess.TimeoutExpired(self.process.name, timeout or 0)
        return code

    def send_signal(self, signum: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, signum)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def ran(
    program: str, *words: str, variables: Mapping[str, str], typed: str = "", timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """What a command ended with."""
    with tempfile.TemporaryDirectory() as folder:
        streams = Streams(*(Path(folder) / name for name in ("typed", "told", "errors")))
        streams.typed.write_text(typed)
        process = Forked.started(program, [*words], variables, streams)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        told, errors = streams.told.read_text(), streams.errors.read_text()
    return subprocess.CompletedProcess([program, *words], code, told, errors)


def close() -> None:
    """End the process that all others are forked from, if there is one, and what came with it."""
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    resource_tracker._resource_tracker._stop()  # type: ignore[attr-defined]


def _become(program: str, words: list[str], variables: dict[str, str], streams: Streams) -> None:
    _redirect(0, streams.typed, os.O_RDONLY)
    _redirect(1, streams.told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    _redirect(2, streams.errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(variables)
    sys.argv[1:] = words
    runpy.run_module(program, run_name="__main__", alter_sys=True)


def _redirect(number: int, place: Path, flags: int) -> None:
    opened = os.open(place, flags, 0o600)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)
