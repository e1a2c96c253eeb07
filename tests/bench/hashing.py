"""How many passwords this machine can hash: every figure about logins is a ratio to that."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from dev_stack.native_argon2 import FLAGS, NotBuilt, Workshop
from tests.bench import argon2_trial
from tests.bench.argon2_trial import SHIPPED
from tests.bench.bench import Bench
from tests.report import Figure, Section, Target

STOCK, NATIVE, INSTALLED = "stock wheel", "native build", "installed here"
ONE_MEMORY = "All cores, and the machine's neighbours, share one memory."
Libraries = dict[str, Path | None]
# Hashes a second on one core and on all of them.
Rates = tuple[float, float]


def measure(bench: Bench) -> None:
    section = bench.report.section("Hashing")
    section.tell(
        f"Argon2id with the shipped parameters (m={SHIPPED.memory} KiB, t={SHIPPED.time}, "
        f"p={SHIPPED.lanes}) and nothing else: the most logins that anything could answer on this "
        "machine. The libraries take turns; each rate is the best of its turns. Every other "
        "section uses the library that is installed here."
    )
    with tempfile.TemporaryDirectory(prefix="gatepost-argon2-") as room:
        libraries = _libraries(section, Path(room))
        rates = _rates(bench, libraries)
        _tell_rates(bench, section, rates)
        if NATIVE in libraries:
            _compare(section, libraries, rates)


def _libraries(section: Section, room: Path) -> Libraries:
    """The directory of each, None for the one that is installed."""
    section.console.print("  building Argon2 from source")
    try:
        stock, native = Workshop(room, Path(sys.executable)).build()
    except NotBuilt as reason:
        section.tell(
            "The stock wheel and the native build could not be compared here, for one of them "
            f"could not be had: {reason}"
        )
        section.figure(Figure("comparisons that could not be made", 1, "", Target(at_most=0)))
        return {INSTALLED: None}
    return {STOCK: stock, NATIVE: native, INSTALLED: None}


def _rates(bench: Bench, libraries: Libraries) -> dict[str, Rates]:
    turns, seconds = bench.size.pick((3, 1.0), (8, 2.0))
    every = bench.cpus.measured | bench.cpus.others
    best: dict[str, Rates] = dict.fromkeys(libraries, (0.0, 0.0))
    for turn in range(turns):
        bench.report.console.print(f"  turn {turn + 1} of {turns}")
        for name, library in libraries.items():
            one = argon2_trial.rate(bench.cpus.measured, seconds, library)
            all_cores = argon2_trial.rate(every, seconds, library)
            best[name] = max(best[name][0], one), max(best[name][1], all_cores)
    return best


def _tell_rates(bench: Bench, section: Section, rates: dict[str, Rates]) -> None:
    cores = len(bench.cpus.measured | bench.cpus.others)
    section.table(
        "Hashes a second",
        ("library", "one core", f"all {cores} cores", "all ÷ one", "ms of a core for a hash"),
        [
            (name, f"{one:.1f}", f"{every:.1f}", f"{every / one:.2f}", f"{1000 / one:.1f}")
            for name, (one, every) in rates.items()
        ],
    )


def _compare(section: Section, libraries: Libraries, rates: dict[str, Rates]) -> None:
    """Both may be on every machine of an installation, so they must agree on every digest."""
    made = [argon2_trial.digests(libraries[name]) for name in (STOCK, NATIVE)]
    one, every = (native / stock for native, stock in zip(rates[NATIVE], rates[STOCK], strict=True))
    differ = sum(a != b for a, b in zip(*made, strict=True))
    section.tell(f"The native build is made by `make native`, with {FLAGS}.")
    section.figure(Figure("native ÷ stock, one core", one, "×", Target(at_least=1.6)))
    bound = Target(at_least=1.6)
    section.figure(Figure("native ÷ stock, all cores", every, "×", bound, ONE_MEMORY))
    section.figure(Figure(f"digests that differ, of {len(made[0])}", differ, "", Target(at_most=0)))
