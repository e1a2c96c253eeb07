"""`python -m tests.fault_matrix [words of a row …]`: what is lost when something fails.

SIZE=quick (the default) has the principal rows and a short storm, and takes some minutes; SIZE=full
has all of them and half an hour of storm, and takes an hour. Rows that are named run in any size.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.fault_matrix import rows, sabotage
from tests.fault_matrix.deployment import Deployment
from tests.fault_matrix.matrix import Pace, carry_out
from tests.fault_matrix.results import introduce, show_proofs, show_rows, told
from tests.fault_matrix.row import Row, Verdict
from tests.fault_matrix.sabotage import Proof, Sabotage, prove
from tests.report import Report, Size

FOLDER = Path(".reports/faults")
LOGS = FOLDER.resolve() / "logs"


def main() -> None:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("words", nargs="*", help="only rows whose name has one of these in it")
    words = [word.lower() for word in parser.parse_args().words]
    size = Size.wanted()
    wanted = [row for row in rows.ALL if _is_wanted(row, words, size)]
    guards = [each for each in sabotage.ALL if _is_named(each.row, words)]
    if not wanted and not guards:
        names = "\n".join(row.name for row in (*rows.ALL, *(each.row for each in sabotage.ALL)))
        parser.error(f"no row has that in its name. There are:\n{names}")
    shutil.rmtree(LOGS, ignore_errors=True)
    report = Report("What is lost when something fails", size)
    passed = False
    try:
        passed = asyncio.run(_run(report, wanted, guards))
    finally:
        # Whatever ends the run, what was found until then stands.
        print(report.write(FOLDER))
    sys.exit(not passed)


def _is_wanted(row: Row, words: list[str], size: Size) -> bool:
    return _is_named(row, words) and bool(words or size.pick(row.principal, True))


def _is_named(row: Row, words: list[str]) -> bool:
    return not words or any(word in row.name.lower() for word in words)


async def _run(report: Report, wanted: Sequence[Row], guards: Sequence[Sabotage]) -> bool:
    async with Deployment.opened() as deployment:
        verdicts = await _carried_out(report, wanted, deployment)
        proofs = await _proved(report, guards, deployment)
    return not any(verdict.red for verdict in verdicts) and all(proof.holds for proof in proofs)


async def _carried_out(
    report: Report, wanted: Sequence[Row], deployment: Deployment
) -> list[Verdict]:
    verdicts: list[Verdict] = []
    if not wanted:
        return verdicts
    introduce(report.section("How to read it"), rows.LEFT_OUT)
    section, pace = report.section("Rows"), Pace.of(report.size)
    section.tell(f"{len(wanted)} of the matrix' {len(rows.ALL)} rows, in {report.size} size.")
    try:
        for number, row in enumerate(wanted, 1):
            verdicts.append(await carry_out(row, deployment, pace, LOGS / row.file_name))
            report.console.print(f"{number}/{len(wanted)} {told(verdicts[-1])}")
    finally:
        show_rows(section, verdicts)
    return verdicts


async def _proved(
    report: Report, guards: Sequence[Sabotage], deployment: Deployment
) -> list[Proof]:
    proofs: list[Proof] = []
    if not guards:
        return proofs
    section, pace = report.section("The ledger"), Pace(2, 4, 4, patience=20)
    try:
        for number, guard in enumerate(guards, 1):
            proofs.append(await prove(guard, deployment, pace, LOGS))
            outcome = "proved" if proofs[-1].holds else "[red]not proved[/]"
            report.console.print(f"{number}/{len(guards)} {guard.guard}: {outcome}")
    finally:
        show_proofs(section, proofs)
    return proofs


if __name__ == "__main__":
    main()
