"""`python -m tests.fault_matrix [words of a row …]`: what is lost when something fails.

SIZE=quick (the default) takes some minutes; SIZE=full an hour, half of it a random storm.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
from pathlib import Path

from tests.fault_matrix import rows
from tests.fault_matrix.deployment import Deployment
from tests.fault_matrix.matrix import Pace, carry_out
from tests.fault_matrix.row import Row, Verdict
from tests.report import Report, Section, Size

FOLDER = Path(".reports/faults")
LOGS = FOLDER.resolve() / "logs"
COLUMNS = (
    "row", "202s", "lost", "doubled", "dup. users", "slowest s", "503s", "unanswered", "wrong",
    "recovery s", "mails late for s", "longest wait s", "SIGTERM", "",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("words", nargs="*", help="only rows whose name has one of these in it")
    words = [word.lower() for word in parser.parse_args().words]
    wanted = [row for row in rows.ALL if _is_named(row, words)]
    if not wanted:
        names = "\n".join(row.name for row in rows.ALL)
        parser.error(f"no row has that in its name. There are:\n{names}")
    os.environ.setdefault("CI", "true")  # a real Kafka, or none
    shutil.rmtree(LOGS, ignore_errors=True)
    report = Report("What is lost when something fails", Size.wanted())
    verdicts = asyncio.run(_carried_out(wanted, report))
    print(report.write(FOLDER))
    sys.exit(any(verdict.red for verdict in verdicts))


def _is_named(row: Row, words: list[str]) -> bool:
    return not words or any(word in row.name.lower() for word in words)


async def _carried_out(wanted: list[Row], report: Report) -> list[Verdict]:
    section = report.section("Rows")
    pace, verdicts = Pace.of(report.size), []
    async with Deployment.opened() as deployment:
        for number, row in enumerate(wanted, 1):
            verdict = await carry_out(row, deployment, pace, LOGS / row.file_name)
            verdicts.append(verdict)
            colour = "red" if verdict.red else "green"
            told = "; ".join(verdict.problems)
            report.console.print(f"[{colour}]{number}/{len(wanted)} {row.name}[/] {told}")
    _show(section, verdicts)
    return verdicts


def _show(section: Section, verdicts: list[Verdict]) -> None:
    section.table("Every row", COLUMNS, [_cells(verdict) for verdict in verdicts])
    for verdict in verdicts:
        for problem in verdict.problems:
            section.tell(f"**{verdict.row}**: {problem}")


def _cells(verdict: Verdict) -> tuple[str, ...]:
    codes = {exit.code for exit in verdict.exits}
    slowest = max((exit.seconds for exit in verdict.exits), default=0.0)
    return (
        verdict.row,
        str(verdict.acknowledged),
        str(verdict.lost),
        str(verdict.doubled),
        str(verdict.duplicate_users),
        f"{verdict.slowest:.2f}",
        str(verdict.refused),
        str(verdict.unanswered),
        str(verdict.wrong),
        f"{verdict.recovery:.1f}",
        f"{verdict.mail_recovery:.1f}",
        f"{verdict.longest_wait:.1f}",
        f"{', '.join(map(str, sorted(codes, key=str)))} in {slowest:.1f} s",
        "red" if verdict.red else "green",
    )


if __name__ == "__main__":
    main()
