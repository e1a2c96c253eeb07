"""What came of the rows and of the proofs, as the report shows it."""

from __future__ import annotations

from collections.abc import Sequence

from tests.fault_matrix.row import Verdict
from tests.fault_matrix.sabotage import Proof
from tests.report import Section

COLUMNS = (
    "row", "202s", "lost", "doubled", "events doubled", "dup. users", "slowest s", "503s",
    "unanswered", "wrong", "recovery s", "mails late for s", "longest wait s", "SIGTERM", "",
)  # fmt: skip


def show_rows(section: Section, verdicts: Sequence[Verdict]) -> None:
    section.table("Every row", COLUMNS, [_cells(verdict) for verdict in verdicts])
    for verdict in verdicts:
        for problem in verdict.problems:
            section.tell(f"**{verdict.row}**: {problem}")


def show_proofs(section: Section, proofs: Sequence[Proof]) -> None:
    section.tell("Each guard was removed once from the code, and its row run with and without it.")
    columns = ("guard", "row", "as it is", "without the guard", "")
    section.table("The ledger is proved", columns, [_proof_cells(proof) for proof in proofs])


def told(verdict: Verdict) -> str:
    """One line in colour, as soon as a row is done."""
    colour = "red" if verdict.red else "green"
    return f"[{colour}]{verdict.row}[/] {'; '.join(verdict.problems)}"


def _cells(verdict: Verdict) -> tuple[str, ...]:
    codes = {exit.code for exit in verdict.exits}
    slowest = max((exit.seconds for exit in verdict.exits), default=0.0)
    return (
        verdict.row,
        str(verdict.acknowledged),
        str(verdict.lost),
        str(verdict.doubled),
        str(verdict.doubled_events),
        str(verdict.duplicate_users),
        f"{verdict.slowest:.2f}",
        str(verdict.refused),
        str(verdict.unanswered),
        str(verdict.wrong),
        f"{verdict.recovery:.1f}",
        f"{verdict.mail_recovery:.1f}",
        f"{verdict.longest_wait:.1f}",
        f"{', '.join(map(str, sorted(codes, key=str)))} in {slowest:.1f} s",
        _colour(verdict),
    )


def _proof_cells(proof: Proof) -> tuple[str, ...]:
    intact, without = proof.intact, proof.sabotaged
    return (
        proof.sabotage.guard,
        proof.sabotage.row.fault,
        "; ".join((_colour(intact), *intact.problems)),
        "; ".join((_colour(without), *without.problems)),
        "proved" if proof.holds else "**not proved**",
    )


def _colour(verdict: Verdict) -> str:
    return "red" if verdict.red else "green"
