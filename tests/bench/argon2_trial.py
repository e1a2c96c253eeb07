"""How fast an Argon2 library hashes, and what it computes: in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import _argon2_cffi_bindings  # type: ignore[import-untyped]
import msgspec
from argon2.low_level import Type, hash_secret_raw

from tests.load.cpus import pinned
from user_service.settings.limits import ArgonCost

SHIPPED = ArgonCost()
PASSWORDS = ("plum kettle orbit", "Straße 🦊 von Gatepost", "\x00" * 9, "é" * 128)
SALTS = tuple(bytes(range(length)) for length in (8, 16, 23, 64))
COSTS = (SHIPPED, ArgonCost(memory=47104, time=1), ArgonCost(memory=1021, time=3, lanes=4))


def rate(cpus: frozenset[int], seconds: float, library: Path | None = None) -> float:
    """Hashes a second with the shipped parameters, one thread for each of the processors.

    The seconds are those of the processors' work: what others take of them is not counted.
    `library` is the directory that holds the library, or None for the one that is installed.
    """
    with pinned(cpus):
        return float(_told(library, "rate", str(len(cpus)), str(seconds)))


def digests(library: Path | None = None) -> list[str]:
    """What the library makes of passwords, salts and costs of every kind."""
    return list(_told(library, "digests"))


def _told(library: Path | None, *words: str) -> Any:
    variables = os.environ | ({"PYTHONPATH": str(library)} if library else {})
    command = [sys.executable, "-m", "tests.bench.argon2_trial", *words]
    done = subprocess.run(command, env=variables, stdout=subprocess.PIPE, check=True)
    loaded, told = msgspec.json.decode(done.stdout)
    assert library is None or loaded.startswith(str(library)), f"{loaded} was loaded instead"
    return told


def _rate(threads: int, seconds: float) -> float:
    with ThreadPoolExecutor(threads) as pool:
        before = time.process_time()
        counts = list(pool.map(_hash_until, [time.monotonic() + seconds] * threads))
        return sum(counts) / (time.process_time() - before) * threads


def _hash_until(deadline: float) -> int:
    count = 0
    while time.monotonic() < deadline:
        _hashed(PASSWORDS[0], SALTS[1], SHIPPED)
        count += 1
    return count


def _hashed(password: str, salt: bytes, cost: ArgonCost) -> str:
    return hash_secret_raw(
        password.encode(), salt, cost.time, cost.memory, cost.lanes, 32, Type.ID
    ).hex()


def main(verb: str, *words: str) -> None:
    told: object
    if verb == "rate":
        told = _rate(int(words[0]), float(words[1]))
    else:
        told = [_hashed(*each) for each in product(PASSWORDS, SALTS, COSTS)]
    print(msgspec.json.encode((_argon2_cffi_bindings.__file__, told)).decode())


if __name__ == "__main__":
    main(*sys.argv[1:])
