"""What came of the rows and of the proofs, as the report shows it."""

from __future__ import annotations

from collections.abc import Sequence

from tests.fault_matrix.row import Verdict
from tests.fault_matrix.sabotage import Proof
from tests.report import Bars, Section

COLUMNS = (
    "row", "202s", "lost", "doubled", "events doubled", "dup. users", "slowest s", "503s",
    "unanswered", "wrong", "recovery s", "mails late for s", "longest wait s", "SIGTERM", "",
)  # fmt: skip
MEANINGS = (
    ("202s", "registrations that a client was told to be accepted"),
    ("lost", "what a client was told and is not there: mails, accounts, events, logins; must be 0"),
    ("doubled", "mails that came twice, by event id; at most what was in flight at each death"),
    ("events doubled", "user_registered and user_logged_in; at most a batch per interrupted relay"),
    ("dup. users", "accounts that share an address; must be 0"),
    ("slowest s", "the slowest answer; promised are 3 s, red is above 3.5 on a busy machine"),
    ("503s", "refusals in the promised form: problem+json that says when to come again"),
    ("unanswered", "broken or refused connections; only where a service dies, hangs or ends"),
    ("wrong", "answers that are neither a success nor such a refusal; must be 0"),
    ("recovery s", "from the healing to the last request that was refused; promised are 10 s"),
    ("mails late for s", "from the healing to the last mail that took more than 2 s"),
    ("longest wait s", "the longest that anybody waited for a mail, faults included"),
    ("SIGTERM", "exit codes and the slowest end of all processes; promised are 0 and 15 s"),
)
INTRODUCTION = """\
Each row hurts one part under a steady load: 20 people a second register, read their mail, verify
and log in, and as many return; 8 where processes start again and again, 2 to 3 beside a crowd or a
faked clock. Parts and processes are real, the ledger knows only what clients saw and what the
stand-in for SendGrid took. The load goes on until everything succeeds again, or for 12 seconds
after the healing. A row is red when anything lasts longer, comes more often or is less than
promised, when a mail was put aside that need not be, when a process has ended by itself, or when a
log holds a traceback; and where users must notice a fault, when they did not.
"""


def introduce(section: Section, absent: Sequence[str]) -> None:
    """How the rows are to be read, and which are not there."""
    section.tell(INTRODUCTION.replace("\n", " ").strip())
    section.table("Columns", ("column", "meaning"), MEANINGS)
    for why in absent:
        section.tell(why)


def show_rows(section: Section, verdicts: Sequence[Verdict]) -> None:
    section.table("Every row", COLUMNS, [_cells(verdict) for verdict in verdicts])
    names = [verdict.row for verdict in verdicts]
    seconds = {
        "slowest answer": [round(verdict.slowest, 2) for verdict in verdicts],
        "recovery of requests": [round(verdict.recovery, 1) for verdict in verdicts],
        "recovery of mails": [round(verdict.mail_recovery, 1) for verdict in verdicts],
    }
    section.plot(Bars("Slowest answer and recovery of each row", "s", names, seconds))
    for verdict in verdicts:
        if verdict.timeline:
            section.plot(verdict.timeline)
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
