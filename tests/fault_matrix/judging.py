"""What makes a row red: all that was found, held against what was promised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.fault_matrix.deployment import Deployment
from tests.fault_matrix.row import Row, Verdict
from user_service.outbox.relay import BATCH

# What is promised, and what a busy machine may add to it.
SLOWEST_SECONDS = 3.0 + 0.5
RECOVERY_SECONDS = 10.0
SIGTERM_SECONDS = 15.0


@dataclass(frozen=True)
class Found:
    """What is missing, by what it is called, and what is there too often."""

    missing: Mapping[str, list[str]]
    doubled: int
    doubled_at_most: int
    differing: int
    doubled_events: int
    duplicate_users: int
    ended: list[str]
    tracebacks: int
    demanded: list[str]


def judged(row: Row, deployment: Deployment, found: Found) -> Verdict:
    ledger, exits = deployment.traffic.ledger, tuple(deployment.exits)
    struck, healed = deployment.struck, deployment.healed
    unanswered, wrong = ledger.unanswered(), ledger.wrong(row.statuses)
    slowest, recovery = ledger.slowest(), ledger.recovery(healed)
    late = [exit for exit in exits if exit.code != 0 or exit.seconds > SIGTERM_SECONDS]
    harmed = ledger.harmed(row.unharmed, until=healed)
    apart = ledger.failed_apart_from(struck, healed)
    events_at_most = row.batches * BATCH
    refused = sum(each.status == 503 for each in ledger.seen)
    mail_recovery, longest_wait = ledger.mail_recovery(healed), ledger.longest_wait()
    checks = {
        **{f"{len(lost)} {what}": lost for what, lost in found.missing.items()},
        "nobody was acknowledged": not ledger.acknowledged,
        f"{found.doubled} mails doubled, {found.doubled_at_most} allowed": found.doubled
        > found.doubled_at_most,
        f"{found.differing} doubles with another code": found.differing,
        f"{found.doubled_events} events doubled, {events_at_most} allowed": found.doubled_events
        > events_at_most,
        f"{found.duplicate_users} duplicate users": found.duplicate_users,
        f"{len(wrong)} wrong answers, as {wrong[:1]}": wrong,
        f"{len(unanswered)} unanswered, as {unanswered[:1]}": unanswered and not row.unanswered,
        f"{len(harmed)} harmed, as {harmed[:1]}": harmed,
        f"{len(apart)} failed apart from the fault, as {apart[:1]}": apart,
        f"an answer after {slowest:.1f} s": slowest > SLOWEST_SECONDS,
        f"recovered after {recovery:.1f} s": recovery > RECOVERY_SECONDS,
        f"SIGTERM: {late}": late,
        f"mails recovered after {mail_recovery:.1f} s": mail_recovery > row.mail_recovery,
        f"ended without being asked: {found.ended}": found.ended,
        f"{found.tracebacks} tracebacks in the logs": found.tracebacks,
        f"only {refused} refused: was it felt?": refused < row.least_refused,
        f"no mail waited for more than {longest_wait:.1f} s: was it felt?": longest_wait
        < row.longest_wait,
        **dict.fromkeys(found.demanded, True),
    }
    return Verdict(
        row=row.name,
        acknowledged=len(ledger.acknowledged),
        lost=sum(len(lost) for lost in found.missing.values()),
        doubled=found.doubled,
        doubled_events=found.doubled_events,
        duplicate_users=found.duplicate_users,
        slowest=slowest,
        refused=refused,
        unanswered=len(unanswered),
        wrong=len(wrong),
        recovery=recovery,
        mail_recovery=mail_recovery,
        longest_wait=longest_wait,
        exits=exits,
        problems=tuple(problem for problem, holds in checks.items() if holds),
    )
