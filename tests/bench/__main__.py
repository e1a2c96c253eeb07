"""`python -m tests.bench [section …]`: what Gatepost costs and bears on this machine.

SIZE=quick (the default) takes some minutes, SIZE=full half an hour.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from dev_stack import parts
from tests.bench import (
    client_check,
    hashing,
    interference,
    mail,
    overload,
    relay,
    requests,
    scale,
)
from tests.bench.bench import Bench
from tests.corner import Corner
from tests.load import Cpus, Generator
from tests.report import Report, Size

FOLDER = Path(".reports/bench")
SECTIONS: dict[str, Callable[[Bench], None]] = {
    "hashing": hashing.measure,
    "requests": requests.measure,
    "interference": interference.measure,
    "overload": overload.measure,
    "mail": mail.measure,
    "relay": relay.measure,
    "clients": client_check.measure,
    "scale": scale.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("sections", nargs="*", help=f"all of {', '.join(SECTIONS)} unless named")
    wanted = parser.parse_args().sections or list(SECTIONS)
    if unknown := set(wanted) - set(SECTIONS):
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    os.environ.setdefault("CI", "true")  # a real Kafka, or none
    size, cpus = Size.wanted(), Cpus.divided()
    report = Report("Gatepost's benchmark", size)
    os.sched_setaffinity(0, cpus.others)
    with ExitStack() as stack:
        os.environ.update(stack.enter_context(parts.disposable()).variables)
        corner = stack.enter_context(Corner.made("bench"))
        generator = stack.enter_context(Generator.started(cpus.others))
        bench = Bench(report, size, cpus, generator, corner)
        unfinished = [name for name in wanted if not _came_to_its_end(name, bench)]
    missed = f", {len(report.missed)} figures missed their target" if report.missed else ""
    print(f"\n{report.write(FOLDER)}{missed}")
    if unfinished:
        sys.exit(f"not finished: {', '.join(unfinished)}")


def _came_to_its_end(name: str, bench: Bench) -> bool:
    """Measure a section; one that fails must not cost what the others have found."""
    try:
        SECTIONS[name](bench)
    except Exception as failure:
        bench.report.failed(name, failure)
        return False
    finally:
        bench.report.save(FOLDER)
    return True


if __name__ == "__main__":
    main()
