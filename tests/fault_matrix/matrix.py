"""One row carried out: load, strike, heal, drain, SIGTERM, and what the ledger says of it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import confluent_kafka
import msgspec

from dev_stack.mail_stand_in import Mailbox, MailView
from dev_stack.part import REPOSITORY
from shared.kafka.reading import records_so_far
from tests.fault_matrix.deployment import IN_FLIGHT, Deployment, Exit
from tests.fault_matrix.ledger import Ledger
from tests.fault_matrix.row import Row, Verdict
from tests.fault_matrix.traffic import ANSWER_SECONDS, Traffic
from tests.report import Size

# What is promised, and what a busy machine may add to it.
SLOWEST_SECONDS = 3.0 + 0.5
RECOVERY_SECONDS = 10.0
SIGTERM_SECONDS = 15.0
DRAIN_SECONDS = 15.0
LOG_IN_AT_THE_END = 500
PENDING = "SELECT count(*) FROM outbox WHERE acknowledged_at IS NULL"
DUPLICATES = """
    SELECT count(*) FROM (SELECT FROM accounts GROUP BY lower(email) HAVING count(*) > 1) AS more
"""


@dataclass(frozen=True)
class Pace:
    """Seconds of load before the strike, between it and the healing, and after that.

    A mail that does not come within `patience` seconds counts as lost.
    """

    before: float
    during: float
    after: float
    patience: float = 75.0

    @classmethod
    def of(cls, size: Size) -> Pace:
        return size.pick(cls(2, 4, 4), cls(5, 20, 10))


async def carry_out(
    row: Row, deployment: Deployment, pace: Pace, logs: Path, source: Path = REPOSITORY
) -> Verdict:
    """`logs` is a folder for what the processes say; raises PartFailed when they do not start."""
    mailbox = deployment.sendgrid.mailbox
    mailbox.clear()
    processes = {
        name: {**row.settings, **row.more_settings.get(name, {})} for name in row.processes
    }
    await deployment.start(processes, logs, source, later=row.later, full_disk=row.full_disk)
    ledger = Ledger()
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    # Shorter than the service keeps it: who sends while it hangs up would go unanswered.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        traffic = Traffic(
            http,
            deployment.urls,
            deployment.sendgrid,
            ledger,
            pace.patience,
            resend_after=row.resend_after,
        )
        deployment.traffic = traffic
        load = asyncio.create_task(traffic.flow())
        await asyncio.sleep(pace.before)
        await row.strike(deployment)
        await asyncio.sleep(pace.during if row.lasts is None else row.lasts)
        await row.heal(deployment)
        healed = time.monotonic()
        await asyncio.sleep(pace.after)
        traffic.ebb()
        await load
        await traffic.settle()
        locked_out = await traffic.all_log_in(LOG_IN_AT_THE_END)
    await _drained(deployment)
    ended = [name for name, each in deployment.processes.items() if not each.running]
    await deployment.terminate()
    found = Found(
        missing=await _missing(deployment, ledger) | {"locked out at the end": locked_out},
        doubled=mailbox.doubled,
        doubled_at_most=_doubled_at_most(row, deployment),
        differing=_differing(mailbox),
        duplicate_users=(await deployment.corner.fetch(DUPLICATES))[0][0],
        ended=ended,
        tracebacks=deployment.tracebacks(),
        demanded=[
            *deployment.problems,
            *[said for demand in row.demands for said in await demand(deployment)],
        ],
    )
    return _judged(row, ledger, found, tuple(deployment.exits), healed)


def _doubled_at_most(row: Row, deployment: Deployment) -> int:
    if row.doubled_at_most is not None:
        return row.doubled_at_most
    return (row.deaths + deployment.deaths) * IN_FLIGHT + deployment.mails_at_risk


def _differing(mailbox: Mailbox) -> int:
    """How many events were mailed with one code and then with another."""
    bodies: dict[str | None, set[str | None]] = {}
    for mail in mailbox.newest(limit=mailbox.capacity) if mailbox.doubled else ():
        bodies.setdefault(mail.event_id, set()).add(MailView.of(mail).code)
    return sum(len(codes) > 1 for codes in bodies.values())


async def _drained(deployment: Deployment) -> None:
    deadline = time.monotonic() + DRAIN_SECONDS
    while (await deployment.corner.fetch(PENDING))[0][0]:
        if time.monotonic() > deadline:
            break  # what is missing will be missed
        await asyncio.sleep(0.1)


async def _missing(deployment: Deployment, ledger: Ledger) -> dict[str, list[str]]:
    """What is missing, by what it is called."""
    mailbox, corner = deployment.sendgrid.mailbox, deployment.corner
    mailed = {address: mailbox.count(address) for address in ledger.acknowledged}
    addresses = list(ledger.created)
    rows = await corner.fetch(
        "SELECT email, id FROM accounts WHERE email = ANY($1::text[])", addresses
    )
    accounts = {row["email"]: str(row["id"]) for row in rows}
    told = await asyncio.to_thread(_told, deployment, "user_registered", "user_logged_in")
    return {
        "mails lost": ledger.lost_mails(mailed, await _put_aside(deployment)),
        "accounts lost": ledger.lost_accounts(accounts),
        "events lost": ledger.lost_events(*told),
    }


async def _put_aside(deployment: Deployment) -> frozenset[str]:
    """The registration ids of which a dead letter is there."""
    contents = [letter.content() for letter in await deployment.dead_letters()]
    return frozenset(
        str(content.get("challenge_id")) for content in contents if isinstance(content, dict)
    )


def _told(deployment: Deployment, *topics: str) -> list[Counter[str]]:
    """How many different events each topic has about each user."""
    prefix = deployment.corner.topic_prefix
    client = confluent_kafka.Consumer(
        {"bootstrap.servers": deployment.kafka.url, "group.id": "ledger"}
    )
    try:
        counts: dict[str, set[tuple[str, str]]] = {topic: set() for topic in topics}
        for record in records_so_far(client, {prefix + topic for topic in topics}):
            id = msgspec.json.decode(record.value() or b"{}").get("user_id", "")
            event_id = str(dict(record.headers() or [])["ce_id"])
            counts[(record.topic() or "").removeprefix(prefix)].add((id, event_id))
    finally:
        client.close()
    return [Counter(id for id, _ in counts[topic]) for topic in topics]


@dataclass(frozen=True)
class Found:
    """What is missing, by what it is called, and what is there too often."""

    missing: Mapping[str, list[str]]
    doubled: int
    doubled_at_most: int
    differing: int
    duplicate_users: int
    ended: list[str]
    tracebacks: int
    demanded: list[str]


def _judged(
    row: Row, ledger: Ledger, found: Found, exits: tuple[Exit, ...], healed: float
) -> Verdict:
    unanswered, wrong = ledger.unanswered(), ledger.wrong(row.statuses)
    slowest, recovery = ledger.slowest(), ledger.recovery(healed)
    late = [exit for exit in exits if exit.code != 0 or exit.seconds > SIGTERM_SECONDS]
    harmed = ledger.harmed(row.unharmed, until=healed)
    refused = sum(each.status == 503 for each in ledger.seen)
    mail_recovery, longest_wait = ledger.mail_recovery(healed), ledger.longest_wait()
    checks = {
        **{f"{len(lost)} {what}": lost for what, lost in found.missing.items()},
        "nobody was acknowledged": not ledger.acknowledged,
        f"{found.doubled} mails doubled, {found.doubled_at_most} allowed": found.doubled
        > found.doubled_at_most,
        f"{found.differing} doubles with another code": found.differing,
        f"{found.duplicate_users} duplicate users": found.duplicate_users,
        f"{len(wrong)} wrong answers, as {wrong[:1]}": wrong,
        f"{len(unanswered)} unanswered, as {unanswered[:1]}": unanswered and not row.unanswered,
        f"{len(harmed)} harmed, as {harmed[:1]}": harmed,
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
