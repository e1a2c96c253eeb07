"""Give a virtual environment argon2-cffi-bindings built from source for this machine's CPU.

Needs no package: run it with any Python from 3.11 on. The sources are those that requirements.lock
pins, the build tools those of requirements-native.lock; both are checked against their hashes.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "argon2-cffi-bindings"
FLAGS = "-O3 -march=x86-64-v3"
LONGEST_STEP_SECONDS = 900
ROUNDS = 4

# A hash that the stock wheel made: a build that computes another is not Argon2.
KNOWN_PASSWORD = "Straße 🦊 von Gatepost"
KNOWN_HASH = (
    "$argon2id$v=19$m=19456,t=2,p=1$Z2F0ZXBvc3QtMTYtYnl0ZQ$"
    "43SJV70ErQKu2WQiyn0JwdgAJzVivfm8wvV2QLScOmE"
)
# Prints which library ran and its hashes a second, after it has proved itself.
TRIAL = f"""
import time
import _argon2_cffi_bindings
from argon2.low_level import Type, hash_secret, verify_secret
assert verify_secret({KNOWN_HASH.encode()!r}, {KNOWN_PASSWORD!r}.encode(), Type.ID)
started, count = time.process_time(), 0
while time.process_time() - started < 0.5:
    hash_secret(b"gatepost", b"gatepost-16-byte", 2, 19456, 1, 32, Type.ID)
    count += 1
print(count / (time.process_time() - started), _argon2_cffi_bindings.__file__)
"""


class NotBuilt(Exception):
    """The stock wheel stays; the message says why."""


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="native-argon2-") as directory:
        try:
            outcome = Workshop(Path(directory), options.python).install(options.flags)
            code = 0
        except NotBuilt as reason:
            outcome = f"Argon2 stays as it was, not built from source: {reason}"
            code = 0 if options.or_stock else 1
    print(outcome, flush=True)
    if options.note is not None:
        options.note.write_text(f"{outcome}\n", "utf-8")
    return code


@dataclass(frozen=True)
class Workshop:
    """Builds in the directory `room`, installs for the interpreter `python`."""

    room: Path
    python: Path

    def install(self, flags: str) -> str:
        """Install a build with these compiler flags, or the stock wheel without any.

        Returns what to tell about it. Raises NotBuilt, with nothing changed.
        """
        stock = self._stock_wheel()
        if not flags:
            self._put_in(stock)
            return "Argon2 is the stock wheel: no compiler flags were given."
        native = self._native_wheel(flags)
        before, after = self._compare(_unpacked(stock), _unpacked(native))
        self._put_in(native)
        return (
            f"Argon2 is built from source with {flags}: {after:.1f} hashes/s a thread, "
            f"{after / before:.2f} times the stock wheel's {before:.1f}."
        )

    def build(self, flags: str = FLAGS) -> tuple[Path, Path]:
        """The stock wheel and such a build, each a directory for PYTHONPATH, and none installed.

        Raises NotBuilt.
        """
        return _unpacked(self._stock_wheel()), _unpacked(self._native_wheel(flags))

    def _stock_wheel(self) -> Path:
        _step([sys.executable, "-m", "venv", str(self.room / "venv")])
        into = self.room / "stock"
        lines = _pinned_lines((ROOT / "requirements.lock").read_text("utf-8"))
        (self.room / "pinned.lock").write_text(lines, "utf-8")
        self._pip("download", "--only-binary=:all:", *self._pinned, "-d", str(into))
        return next(into.glob("*.whl"))

    def _try_compiler(self, flags: str) -> None:
        compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("cc")
        if compiler is None:
            raise NotBuilt("there is no C compiler here.")
        source = self.room / "empty.c"
        source.write_text("#include <stdlib.h>\nint main(void) { return 0; }\n", "utf-8")
        _step([compiler, *flags.split(), str(source), "-o", str(self.room / "empty")])

    def _native_wheel(self, flags: str) -> Path:
        self._try_compiler(flags)
        into = self.room / "native"
        tools = str(ROOT / "requirements-native.lock")
        self._pip("install", "--require-hashes", "--only-binary=:all:", "-r", tools)
        # The tools of the lock, not what an isolated build would fetch. And no cache: pip files
        # the wheels that it has built under their source alone, whatever the flags were.
        how = ["--no-binary=:all:", "--no-build-isolation", "--no-cache-dir"]
        path = f"{self.room / 'venv/bin'}{os.pathsep}{os.environ['PATH']}"
        self._pip("wheel", *how, *self._pinned, "-w", str(into), CFLAGS=flags, PATH=path)
        return next(into.glob("*.whl"))

    def _compare(self, stock: Path, native: Path) -> tuple[float, float]:
        """Hashes per second of CPU with each library, turn by turn, the best of its turns."""
        turns = [
            [_trial(self.python, library) for library in (stock, native)] for _ in range(ROUNDS)
        ]
        return max(turn[0] for turn in turns), max(turn[1] for turn in turns)

    def _put_in(self, wheel: Path) -> None:
        into = ["--python", str(self.python)]
        self._pip(*into, "install", "--no-deps", "--no-index", "--force-reinstall", str(wheel))

    @property
    def _pinned(self) -> list[str]:
        return ["--no-deps", "--require-hashes", "-r", str(self.room / "pinned.lock")]

    def _pip(self, *arguments: str, **variables: str) -> None:
        pip = [str(self.room / "venv/bin/python"), "-m", "pip", "--disable-pip-version-check"]
        _step([*pip, *arguments], **variables)


def _pinned_lines(lock: str) -> str:
    match = re.search(rf"^{PACKAGE}==(?:.*\\\n)*.*\n", lock, re.MULTILINE)
    if match is None:
        raise NotBuilt(f"requirements.lock does not pin {PACKAGE}.")
    return match[0]


def _unpacked(wheel: Path) -> Path:
    library = wheel.parent / "unpacked"
    zipfile.ZipFile(wheel).extractall(library)
    return library


def _trial(python: Path, library: Path) -> float:
    speed, loaded = _step([str(python), "-c", TRIAL], PYTHONPATH=str(library)).split(maxsplit=1)
    if not loaded.startswith(str(library)):
        raise NotBuilt(f"{loaded.strip()} is loaded in place of {library}.")
    return float(speed)


def _step(command: list[str], **variables: str) -> str:
    """What the command printed; raises NotBuilt with the last lines when it fails."""
    try:
        done = subprocess.run(
            command,
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LONGEST_STEP_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotBuilt(str(error)) from None
    if done.returncode == -signal.SIGILL:
        raise NotBuilt("this CPU does not know the instructions that the flags allow.")
    if done.returncode:
        last = "\n  ".join(done.stdout.strip().splitlines()[-8:])
        raise NotBuilt(f"{' '.join(command[:6])} … ended with {done.returncode}:\n  {last}")
    return done.stdout


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="native_argon2", description=__doc__)
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="of the target")
    parser.add_argument("--flags", default=FLAGS, help="for the C compiler; empty: stock wheel")
    parser.add_argument("--or-stock", action="store_true", help="exit 0 when it cannot be built")
    parser.add_argument("--note", type=Path, help="a file that keeps the outcome")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
