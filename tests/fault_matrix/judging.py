"""What makes a row red: all that was found, held against what was promised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.fault_matrix.deployment import Deployment
from tests.fault_matrix.row import SLOWEST_SECONDS, Recovered, Row, Verdict

RECOVERY_SECONDS = 10.0
SIGTERM_SECONDS = 15.0

# Whether it is wrong, and the sentence that says what.
Check = tuple[bool, str]


@dataclass(frozen=True)
class Found:
    """What is missing, by what it is called, and what is there too often.

    `unserved` are the steps in which nobody succeeded any more, `dead_letters` why each new one is
    there.
    """

    missing: Mapping[str, list[str]]
    unserved: list[str]
    dead_letters: list[str]
    doubled: int
    doubled_at_most: int
    differing: int
    doubled_events: int
    events_at_most: int
    duplicate_users: int
    ended: list[str]
    tracebacks: int
    demanded: list[str]


def judged(row: Row, deployment: Deployment, found: Found) -> Verdict:
    ledger, healed = deployment.traffic.ledger, deployment.healed
    strikes = tuple(_recovered(deployment))
    recovery = max(ledger.recovery(healed), *(strike.seconds for strike in strikes), 0.0)
    checks = (
        *_of_what_is_there(row, deployment, found),
        *_of_answers(row, deployment, found),
        (recovery > RECOVERY_SECONDS, f"recovered after {recovery:.1f} s"),
        *_of_times(row, deployment),
        *_of_processes(deployment, found),
    )
    return Verdict(
        row=row,
        acknowledged=len(ledger.acknowledged),
        lost=sum(len(lost) for lost in found.missing.values()),
        doubled=found.doubled,
        doubled_at_most=found.doubled_at_most,
        doubled_events=found.doubled_events,
        events_at_most=found.events_at_most,
        duplicate_users=found.duplicate_users,
        slowest=ledger.slowest(),
        refused=sum(each.status == 503 for each in ledger.seen),
        unanswered=len(ledger.unanswered()),
        wrong=len(ledger.wrong(row.statuses)),
        recovery=recovery,
        mail_recovery=ledger.mail_recovery(healed),
        longest_wait=ledger.longest_wait(),
        strikes=strikes,
        exits=tuple(deployment.exits),
        problems=(*(said for wrong, said in checks if wrong), *found.demanded),
    )


def _recovered(deployment: Deployment) -> Iterator[Recovered]:
    """From each strike until the next."""
    strikes, ledger = deployment.strikes, deployment.traffic.ledger
    ends = [*(strike.at for strike in strikes[1:]), float("inf")]
    for strike, end in zip(strikes, ends, strict=False):
        seconds = ledger.recovery(strike.ended, until=end)
        yield Recovered(strike.at - strikes[0].at, strike.what, seconds)


def _of_what_is_there(row: Row, deployment: Deployment, found: Found) -> Iterator[Check]:
    for what, lost in found.missing.items():
        yield bool(lost), f"{len(lost)} {what}"
    yield not deployment.traffic.ledger.acknowledged, "nobody was acknowledged"
    dead = [why for why in found.dead_letters if why.partition(":")[0] not in row.dead_letters]
    yield bool(dead), f"{len(dead)} dead letters, as {dead[:1]}"
    doubled, most = found.doubled, found.doubled_at_most
    yield doubled > most, f"{doubled} mails doubled, {most} allowed"
    yield found.differing > 0, f"{found.differing} doubles with another code"
    doubled, most = found.doubled_events, found.events_at_most
    yield doubled > most, f"{doubled} events doubled, {most} allowed"
    yield found.duplicate_users > 0, f"{found.duplicate_users} duplicate users"


def _of_answers(row: Row, deployment: Deployment, found: Found) -> Iterator[Check]:
    ledger, struck, healed = deployment.traffic.ledger, deployment.struck, deployment.healed
    wrong, unanswered = ledger.wrong(row.statuses), ledger.unanswered()
    yield bool(wrong), f"{len(wrong)} wrong answers, as {wrong[:1]}"
    noticed = bool(unanswered) and not row.unanswered
    yield noticed, f"{len(unanswered)} unanswered, as {unanswered[:1]}"
    harmed = ledger.harmed(row.unharmed, until=healed)
    yield bool(harmed), f"{len(harmed)} harmed, as {harmed[:1]}"
    apart = ledger.failed_apart_from(struck, healed)
    yield bool(apart), f"{len(apart)} failed apart from the fault, as {apart[:1]}"
    astray = ledger.astray
    yield bool(astray), f"{len(astray)} journeys ended by what was not foreseen, as {astray[:1]}"
    refused = sum(each.status == 503 for each in ledger.seen)
    yield refused < row.least_refused, f"only {refused} refused: was it felt?"
    yield bool(found.unserved), f"at the end nobody succeeded any more: {found.unserved}"


def _of_times(row: Row, deployment: Deployment) -> Iterator[Check]:
    ledger, healed = deployment.traffic.ledger, deployment.healed
    slowest = ledger.slowest()
    yield slowest > SLOWEST_SECONDS, f"an answer after {slowest:.1f} s"
    late, longest = ledger.mail_recovery(healed), ledger.longest_wait()
    yield late > row.mail_recovery, f"mails recovered after {late:.1f} s"
    unfelt = longest < row.longest_wait
    yield unfelt, f"no mail waited for more than {longest:.1f} s: was it felt?"


def _of_processes(deployment: Deployment, found: Found) -> Iterator[Check]:
    late = [end for end in deployment.exits if end.code != 0 or end.seconds > SIGTERM_SECONDS]
    yield bool(late), f"SIGTERM: {late}"
    yield bool(found.ended), f"ended without being asked: {found.ended}"
    yield found.tracebacks > 0, f"{found.tracebacks} tracebacks in the logs"
