"""One row carried out: load, strike, heal, drain, SIGTERM, and what the ledger says of it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp

from dev_stack.mail_stand_in import Mailbox, MailView
from dev_stack.part import REPOSITORY
from tests.fault_matrix import records, timeline
from tests.fault_matrix.deployment import IN_FLIGHT, Deployment
from tests.fault_matrix.judging import Found, judged
from tests.fault_matrix.ledger import Ledger
from tests.fault_matrix.records import Records
from tests.fault_matrix.row import Row, Verdict
from tests.fault_matrix.traffic import Traffic
from tests.report import Size

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
    timeout = aiohttp.ClientTimeout(total=row.answer_within)
    # Shorter than the service keeps it: who sends while it hangs up would go unanswered.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        traffic = Traffic(
            http,
            deployment.urls,
            deployment.sendgrid,
            ledger,
            pace.patience,
            rate=row.rate,
            resend_after=row.resend_after,
            thinking=row.thinking,
        )
        deployment.traffic = traffic
        load = asyncio.create_task(traffic.flow())
        await asyncio.sleep(pace.before)
        deployment.struck = time.monotonic()
        await row.strike(deployment)
        await asyncio.sleep(pace.during if row.lasts is None else row.lasts)
        await row.heal(deployment)
        deployment.healed = time.monotonic()
        await asyncio.sleep(pace.after)
        traffic.ebb()
        await load
        await traffic.settle()
        locked_out = await traffic.all_log_in(LOG_IN_AT_THE_END)
    await _drained(deployment)
    ended = [name for name, each in deployment.processes.items() if not each.running]
    demanded = [said for demand in row.demands_before for said in await demand(deployment)]
    await deployment.terminate()
    events = await records.told(deployment, "user_registered", "user_logged_in")
    found = Found(
        missing=await _missing(deployment, ledger, events) | {"locked out at the end": locked_out},
        doubled=mailbox.doubled,
        doubled_at_most=_doubled_at_most(row, deployment),
        differing=_differing(mailbox),
        doubled_events=records.came_again(events, set(ledger.created.values())),
        duplicate_users=(await deployment.corner.fetch(DUPLICATES))[0][0],
        ended=ended,
        tracebacks=deployment.tracebacks(),
        demanded=[
            *deployment.problems,
            *demanded,
            *[said for demand in row.demands for said in await demand(deployment)],
        ],
    )
    drawn = timeline.drawn(row.name, deployment) if row.plotted else None
    return replace(judged(row, deployment, found), timeline=drawn)


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


async def _missing(
    deployment: Deployment, ledger: Ledger, events: list[Records]
) -> dict[str, list[str]]:
    """What is missing, by what it is called."""
    mailbox, corner = deployment.sendgrid.mailbox, deployment.corner
    mailed = {address: mailbox.count(address) for address in ledger.acknowledged}
    addresses = list(ledger.created)
    rows = await corner.fetch(
        "SELECT email, id FROM accounts WHERE email = ANY($1::text[])", addresses
    )
    accounts = {row["email"]: str(row["id"]) for row in rows}
    told = [Counter(id for id, _ in each) for each in events]
    return {
        "mails lost": ledger.lost_mails(mailed, await records.put_aside(deployment)),
        "accounts lost": ledger.lost_accounts(accounts),
        "events lost": ledger.lost_events(*told),
    }
