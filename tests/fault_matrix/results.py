"""What came of the rows and of the proofs, as the report shows it."""

from __future__ import annotations

from collections.abc import Sequence

from tests.fault_matrix.matrix import LOG_IN_AT_THE_END
from tests.fault_matrix.row import Verdict
from tests.fault_matrix.sabotage import Proof
from tests.report import Bars, Section
from user_service.outbox.relay import BATCH

COLUMNS = (
    "row", "people/s", "202s", "lost", "doubled", "events doubled", "dup. users", "slowest s",
    "503s", "unanswered", "wrong", "recovery s", "mails late for s", "longest wait s", "SIGTERM",
    "",
)  # fmt: skip
MEANINGS = (
    ("202s", "registrations that a client was told to be accepted"),
    ("people/s", "who register, and as many who return"),
    (
        "lost",
        "what a client was told and is not there: mails, accounts, events, and logins of all or, "
        f"where they are more, of {LOG_IN_AT_THE_END} taken at random; must be 0",
    ),
    (
        "doubled",
        "mails that came twice, by event id, of as many as may: what was in flight when an email "
        "worker died, lost its partitions, or had no Redis to mark what it sent, and what SendGrid "
        "took without being able to say so",
    ),
    (
        "events doubled",
        "user_registered and user_logged_in, of as many as may: what a killed relay had not marked "
        f"as sent, and for each other interruption a batch, {BATCH}",
    ),
    ("dup. users", "accounts made for an address that had one, by user_registered; must be 0"),
    ("slowest s", "the slowest answer; promised are 3 s, red is above 3.5 on a busy machine"),
    ("503s", "refusals in the promised form: problem+json that says when to come again"),
    ("unanswered", "broken or refused connections; only where a service dies, hangs or ends"),
    ("wrong", "answers that are neither a success nor such a refusal; must be 0"),
    (
        "recovery s",
        "from the healing, in the storm from each one, to the last request that was refused; "
        "promised are 10 s",
    ),
    (
        "mails late for s",
        "from the healing to the last mail that took more than 2 s, of as many as may: 10, and "
        "more where a crowd is mailed ten at a time or where pauses between two tries of a mail "
        "have grown to 30 s",
    ),
    ("longest wait s", "the longest that anybody waited for a mail, faults included"),
    ("SIGTERM", "exit codes and the slowest end of all processes; promised are 0 and 15 s"),
)
INTRODUCTION = """\
Each row hurts one part under a steady load: people register, read their mail, verify and log in,
and as many return; 20 a second, and fewer where the two cores have to start processes, serve a
crowd or carry a faked clock besides. Parts and processes are real, the ledger knows only what
clients saw and what the stand-in for SendGrid took. The load goes on until everything succeeds
again, or for 12 seconds after the healing. A row is red when anything lasts longer, comes more
often or is less than promised, when a mail was put aside that need not be, when a process has ended
by itself, or when a log holds a traceback; and where users must notice a fault, when they did not.
"""


def introduce(section: Section, left_out: Sequence[str]) -> None:
    """How the rows are to be read, and what is not among them."""
    section.tell(INTRODUCTION.replace("\n", " ").strip())
    section.table("Columns", ("column", "meaning"), MEANINGS)
    for why in left_out:
        section.tell(why)


def show_rows(section: Section, verdicts: Sequence[Verdict]) -> None:
    section.table("Every row", COLUMNS, [_cells(verdict) for verdict in verdicts])
    names = [verdict.row.name for verdict in verdicts]
    seconds = {
        "slowest answer": [round(verdict.slowest, 2) for verdict in verdicts],
        "recovery of requests": [round(verdict.recovery, 1) for verdict in verdicts],
        "recovery of mails": [round(verdict.mail_recovery, 1) for verdict in verdicts],
    }
    section.plot(Bars("Slowest answer and recovery of each row", "s", names, seconds))
    for verdict in verdicts:
        if verdict.timeline:
            section.plot(verdict.timeline)
        if verdict.strikes:
            columns = ("at s", "strike", "recovery s")
            rows = [(f"{at:.0f}", what, f"{seconds:.1f}") for at, what, seconds in verdict.strikes]
            section.table(verdict.row.name, columns, rows)
    for verdict in verdicts:
        for problem in verdict.problems:
            section.tell(f"**{verdict.row.name}**: {problem}")


def show_proofs(section: Section, proofs: Sequence[Proof]) -> None:
    section.tell("Each guard was removed once from the code, and its row run with and without it.")
    columns = ("guard", "row", "as it is", "without the guard", "")
    section.table("The ledger is proved", columns, [_proof_cells(proof) for proof in proofs])


def told(verdict: Verdict) -> str:
    """One line in colour, as soon as a row is done."""
    colour = "red" if verdict.red else "green"
    return f"[{colour}]{verdict.row.name}[/] {'; '.join(verdict.problems)}"


def _cells(verdict: Verdict) -> tuple[str, ...]:
    codes = {exit.code for exit in verdict.exits}
    slowest = max((exit.seconds for exit in verdict.exits), default=0.0)
    return (
        verdict.row.name,
        f"{verdict.row.rate:.0f}",
        str(verdict.acknowledged),
        str(verdict.lost),
        f"{verdict.doubled} of {verdict.doubled_at_most}",
        f"{verdict.doubled_events} of {verdict.events_at_most}",
        str(verdict.duplicate_users),
        f"{verdict.slowest:.2f}",
        str(verdict.refused),
        str(verdict.unanswered),
        str(verdict.wrong),
        f"{verdict.recovery:.1f}",
        f"{verdict.mail_recovery:.1f} of {verdict.row.mail_recovery:.0f}",
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
