"""One row carried out: load, strike, heal, drain, SIGTERM, and what the ledger says of it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import aiohttp

from dev_stack.mail_stand_in import Mailbox, MailView
from dev_stack.part import REPOSITORY
from tests.fault_matrix import records, steps, timeline
from tests.fault_matrix.deployment import IN_FLIGHT, Deployment
from tests.fault_matrix.judging import RECOVERY_SECONDS, Found, judged
from tests.fault_matrix.ledger import Ledger
from tests.fault_matrix.records import Records
from tests.fault_matrix.row import Row, Verdict
from tests.fault_matrix.traffic import Traffic
from tests.report import Size
from user_service.outbox.relay import BATCH

DRAIN_SECONDS = 15.0
# Whoever does so well for so long has recovered.
STEADY_SECONDS = 2.0
LOG_IN_AT_THE_END = 500


@dataclass(frozen=True)
class Pace:
    """Seconds of load before the strike, between it and the healing, and at least after that.

    A mail that does not come within `patience` seconds counts as lost.
    """

    before: float
    during: float
    after: float
    patience: float = 75.0

    @classmethod
    def of(cls, size: Size) -> Pace:
        return size.pick(cls(2, 4, 4), cls(3, 8, 4))


class Stranded(NamedTuple):
    """In what nobody succeeded at the end of the load, and who could not log in after it."""

    unserved: list[str]
    locked_out: list[str]


class Stopped(NamedTuple):
    """Processes that had ended by themselves, and what was demanded while the others ran."""

    ended: list[str]
    demanded: list[str]


async def carry_out(
    row: Row, deployment: Deployment, pace: Pace, logs: Path, source: Path = REPOSITORY
) -> Verdict:
    """`logs` is a folder for what the processes say.

    Whatever keeps a row from being carried out makes it red: no other is to be lost with it.
    """
    try:
        return await _carried_out(row, deployment, pace, logs, source)
    except Exception as error:
        await deployment.make_whole()
        return Verdict(row, problems=(f"it could not be carried out: {error!r}",))


async def _carried_out(
    row: Row, deployment: Deployment, pace: Pace, logs: Path, source: Path
) -> Verdict:
    deployment.sendgrid.mailbox.clear()
    processes = {
        name: {**row.settings, **row.more_settings.get(name, {})} for name in row.processes
    }
    await deployment.start(processes, logs, source, later=row.later, full_disk=row.full_disk)
    try:
        stranded = await _under_load(row, deployment, pace)
    except BaseException:
        # Who holds locks, files or connections of the parts gives them back, if it can.
        with suppress(Exception):
            await row.heal(deployment)
        raise
    stopped = await _stopped(row, deployment)
    found = await _found(row, deployment, stranded, stopped)
    drawn = timeline.drawn(row.name, deployment) if row.plotted else None
    return replace(judged(row, deployment, found), timeline=drawn)


async def _under_load(row: Row, deployment: Deployment, pace: Pace) -> Stranded:
    """The load, what befalls it, and whom it leaves behind."""
    timeout = aiohttp.ClientTimeout(total=row.answer_within)
    # Shorter than the service keeps it: who sends while it hangs up would go unanswered.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        traffic = Traffic(
            http,
            deployment.urls,
            deployment.sendgrid,
            Ledger(),
            pace.patience,
            rate=row.rate,
            resend_after=row.resend_after,
            thinking=row.thinking,
            crosses=row.crosses,
        )
        deployment.traffic = traffic
        async with traffic.flowing():
            await asyncio.sleep(pace.before)
            deployment.struck = time.monotonic()
            await row.strike(deployment)
            await asyncio.sleep(pace.during if row.lasts is None else row.lasts)
            await row.heal(deployment)
            deployment.fault_is_over()
            await asyncio.sleep(pace.after)
            unserved = await _steady_again(deployment)
        return Stranded(unserved, await traffic.all_log_in(LOG_IN_AT_THE_END))


async def _steady_again(deployment: Deployment) -> list[str]:
    """Keep the load up for as long as a recovery may take and more, or it could not be missed.

    Returns in what nobody succeeds at the end of that.
    """
    ledger = deployment.traffic.ledger
    left = deployment.healed + RECOVERY_SECONDS + STEADY_SECONDS - time.monotonic()
    await steps.holds(lambda: ledger.is_steady(time.monotonic() - STEADY_SECONDS), left)
    return ledger.unserved(time.monotonic() - STEADY_SECONDS)


async def _stopped(row: Row, deployment: Deployment) -> Stopped:
    await _drained(deployment)
    ended = [name for name, each in deployment.processes.items() if not each.running]
    demanded = [said for demand in row.demands_before for said in await demand(deployment)]
    await deployment.terminate()
    return Stopped(ended, demanded)


async def _found(row: Row, deployment: Deployment, stranded: Stranded, stopped: Stopped) -> Found:
    ledger, mailbox = deployment.traffic.ledger, deployment.sendgrid.mailbox
    events = await records.told(deployment, "user_registered", "user_logged_in")
    missing = await _missing(deployment, ledger, events)
    return Found(
        missing=missing | {"locked out at the end": stranded.locked_out},
        unserved=stranded.unserved,
        dead_letters=[letter.why for letter in await deployment.new_dead_letters()],
        doubled=mailbox.doubled,
        doubled_at_most=_doubled_at_most(row, deployment),
        differing=_differing(mailbox),
        doubled_events=records.came_again(events, set(ledger.created.values())),
        events_at_most=_events_at_most(row, deployment),
        duplicate_users=records.duplicate_users(events[0]),
        ended=stopped.ended,
        tracebacks=deployment.tracebacks(),
        demanded=[
            *deployment.problems,
            *stopped.demanded,
            *[said for demand in row.demands for said in await demand(deployment)],
        ],
    )


def _doubled_at_most(row: Row, deployment: Deployment) -> int:
    if row.doubled_at_most is not None:
        return row.doubled_at_most
    return (row.deaths + deployment.deaths) * IN_FLIGHT + deployment.mails_at_risk


def _events_at_most(row: Row, deployment: Deployment) -> int:
    return (row.batches + deployment.batches_at_risk) * BATCH + deployment.events_at_risk


def _differing(mailbox: Mailbox) -> int:
    """How many events were mailed with one code and then with another."""
    bodies: dict[str | None, set[str | None]] = {}
    for mail in mailbox.newest(limit=mailbox.capacity) if mailbox.doubled else ():
        bodies.setdefault(mail.event_id, set()).add(MailView.of(mail).code)
    return sum(len(codes) > 1 for codes in bodies.values())


async def _drained(deployment: Deployment) -> None:
    deadline = time.monotonic() + DRAIN_SECONDS
    while await deployment.waiting_events():
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
    told = [Counter(event.user_id for event in each) for each in events]
    return {
        "mails lost": ledger.lost_mails(mailed, await records.put_aside(deployment)),
        "accounts lost": ledger.lost_accounts(accounts),
        "events lost": ledger.lost_events(*told),
    }
