"""One child process of the stack: started, watched, hurt and stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from dev_stack import process_tree
from dev_stack.ports import is_free

LEASH = Path(__file__).with_name("leash.py")
REPOSITORY = Path(__file__).parent.parent

# The kernel sends the death signal when the *thread* that started the child ends, so all children
# are started by one thread that lives as long as this process.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="dev-stack-starter")


class PartFailed(Exception):
    """A part could not be started; the message holds the end of its log."""


@dataclass
class Part:
    """A server or a service as a child process that dies with its parent.

    `url` is what clients connect to, `port` its port on 127.0.0.1, `log` where its output goes.
    `stop_signal` asks it to end in good order; it has `patience` seconds for that.
    """

    name: str
    command: list[str]
    log: Path
    ready: Callable[[Part], bool]
    port: int
    url: str = ""
    user: str | None = None
    directory: Path = Path("/")
    environment: Mapping[str, str] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    patience: float = 10.0
    start_within: float = 60.0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def pid(self) -> int:
        """The server's own process id; raises RuntimeError before the first start."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start the process and wait until it is ready; raises PartFailed."""
        if not is_free(self.port):
            raise PartFailed(f"{self.name} cannot have port {self.port}: it is in use")
        self.launch()
        deadline = time.monotonic() + self.start_within
        while not self.ready(self):
            if not self.running:
                raise PartFailed(f"{self.name} ended while starting:\n{self.last_lines()}")
            if time.monotonic() > deadline:
                self.kill()
                raise PartFailed(
                    f"{self.name} was not ready in {self.start_within:.0f} s:\n{self.last_lines()}"
                )
            time.sleep(0.02)

    def launch(self) -> None:
        """Start the process without waiting for it."""
        self._process = _starter.submit(self._spawn).result()

    def stop(self) -> None:
        """End the process in good order, or by force when it takes longer than `patience`."""
        if self._process is None or not self.running:
            return
        self.thaw()
        below = process_tree.descendants(self.pid)
        self._process.send_signal(self.stop_signal)
        try:
            self._process.wait(self.patience)
        except subprocess.TimeoutExpired:
            self.kill()
        for orphan in below:
            process_tree.send(orphan, signal.SIGKILL)

    def kill(self) -> None:
        """`kill -9` the process and everything below it, as a power cut would."""
        if self._process is not None and self.running:
            process_tree.send(self.pid, signal.SIGKILL)
            self._process.wait()

    def freeze(self) -> None:
        """Stop the process in its tracks (SIGSTOP): connections open, nothing answers."""
        process_tree.send(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        process_tree.send(self.pid, signal.SIGCONT)

    def restart(self) -> None:
        """Start again on the same port and data, after whatever ended it."""
        self.stop()
        self.start()

    def last_lines(self, count: int = 15) -> str:
        lines = self.log.read_text("utf-8", "replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-count:])

    def _spawn(self) -> subprocess.Popen[bytes]:
        leash = [sys.executable, "-IS", str(LEASH), str(os.getpid())]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*leash, str(int(self.death_signal)), self.user or "-", *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env=self.environment,
                # A Ctrl-C in the terminal must reach us alone: we stop the parts in order.
                start_new_session=True,
            )
