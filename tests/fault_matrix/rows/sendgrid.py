"""SendGrid throttles, fails, hangs, hangs up, refuses our key, or is far away."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from typing import Any

from dev_stack.mail_stand_in import Fault
from tests.fault_matrix import steps
from tests.fault_matrix.demands import all_arrive, logged
from tests.fault_matrix.deployment import IN_FLIGHT, Deployment
from tests.fault_matrix.faults import let_pass, wire
from tests.fault_matrix.ledger import EVERYTHING
from tests.fault_matrix.row import Demand, Row, Step
from tests.fault_matrix.steps import nothing
from tests.people import Person
from tests.report import Size

SIZE = Size.wanted()

TOO_MANY = SIZE.pick(20, 100)
RESET_SECONDS = 5
# A request takes ten seconds at most, and then another one must have its turn.
HUNG_SECONDS = SIZE.pick(12, 30)
OUTAGE_SECONDS = SIZE.pick(4, 40)
KEY_REFUSED_SECONDS = SIZE.pick(4, 20)
# The longest pause between two tries of one mail, which an outage may have grown to: by chance
# tries come fast, and four seconds have room for a sixth one.
PAUSE_SECONDS = SIZE.pick(16, 30)


def fails(*faults: Fault) -> Step:
    async def strike(deployment: Deployment) -> None:
        for fault in faults:
            deployment.sendgrid.faults.add(fault)

    return strike


async def works(deployment: Deployment) -> None:
    deployment.sendgrid.faults.clear()
    deployment.fault_is_over()


# -- too many requests -----------------------------------------------------------------------------


async def throttle(deployment: Deployment) -> None:
    """After the first refusal only what was on its way may still come, until the reset."""
    await fails(Fault(status=429, times=TOO_MANY, reset_in=RESET_SECONDS))(deployment)
    api = deployment.sendgrid.send_api
    refused = api.refused
    if not await steps.holds(lambda: api.refused > refused, 5):
        deployment.problems.append("nothing was throttled")
    before = api.requests
    # The header has whole seconds.
    await asyncio.sleep(RESET_SECONDS - 1.2)
    if api.requests - before > IN_FLIGHT:
        deployment.problems.append(f"{api.requests - before} requests before the reset")


async def until_used_up(deployment: Deployment) -> None:
    faults = deployment.sendgrid.faults
    patience = (TOO_MANY / IN_FLIGHT + 2) * (RESET_SECONDS + 1)
    if not await steps.holds(lambda: not faults.in_force(), patience):
        deployment.problems.append(f"still throttled after {patience:.0f} s")


# -- a refused key ---------------------------------------------------------------------------------


async def refuse_key(deployment: Deployment) -> None:
    await fails(Fault(status=401))(deployment)
    before = deployment.sendgrid.send_api.requests
    await asyncio.sleep(KEY_REFUSED_SECONDS)
    asked = deployment.sendgrid.send_api.requests - before
    # Those that were on their way, and then a probe now and then.
    if asked > IN_FLIGHT + KEY_REFUSED_SECONDS:
        deployment.problems.append(f"{asked} requests with a key that is refused")
    if await asyncio.to_thread(_is_ready, deployment):
        deployment.problems.append("ready although the key is refused")


async def accept_key(deployment: Deployment) -> None:
    await works(deployment)
    for _ in range(100):
        if await asyncio.to_thread(_is_ready, deployment):
            return
        await asyncio.sleep(0.1)
    deployment.problems.append("not ready although the key is accepted")


def _is_ready(deployment: Deployment) -> bool:
    try:
        with urllib.request.urlopen(deployment.processes["email"].url + "/health/ready", timeout=2):
            return True
    except urllib.error.HTTPError:
        return False


# -- the rest --------------------------------------------------------------------------------------


async def refuse_one(deployment: Deployment) -> None:
    """The first mail to one person will never pass; that they ask for another shows that it went
    by itself."""
    person = Person()
    await fails(Fault(status=400, to=person.email, times=1))(deployment)
    deployment.traffic.comes(person)


async def one_is_put_aside(deployment: Deployment) -> list[str]:
    letters = len(await deployment.new_dead_letters())
    return [] if letters == 1 else [f"{letters} dead letters, where one was refused"]


async def only_one_asks_again(deployment: Deployment) -> list[str]:
    resent = deployment.traffic.ledger.resent
    return [] if len(resent) == 1 else [f"{len(resent)} had to ask for another mail"]


async def hang_up(deployment: Deployment) -> None:
    deployment.noted["untold"] = deployment.sendgrid.send_api.untold
    await fails(Fault(close="after_accept", probability=0.1))(deployment)


async def keep_the_line(deployment: Deployment) -> None:
    """What was accepted without an answer may come again, and nothing else."""
    await works(deployment)
    untold = deployment.sendgrid.send_api.untold - deployment.noted["untold"]
    deployment.mails_at_risk += untold
    if not untold:
        deployment.problems.append("no connection was closed")


async def refuse(deployment: Deployment) -> None:
    deployment.sendgrid_wire.refuse()
    # Reset after the mail had arrived: so much cannot be told.
    deployment.mails_at_risk += IN_FLIGHT


def _row(fault: str, strike: Step, heal: Step, *demands: Demand, **more: Any) -> Row:
    demands = (all_arrive, *demands)
    return Row("SendGrid", fault, strike, heal, unharmed=EVERYTHING, demands=demands, **more)


ROWS = (
    _row(
        f"429, {TOO_MANY} times, with a reset in {RESET_SECONDS} s",
        throttle,
        until_used_up,
        lasts=0,
        longest_wait=RESET_SECONDS - 2,
    ),
    _row(
        "500 and 503, every other request",
        fails(Fault(status=500, probability=0.3), Fault(status=503, probability=0.3)),
        works,
        logged("send_failed", least=20),
        mail_recovery=PAUSE_SECONDS,
        principal=True,
    ),
    _row("hangs up after accepting, one in ten", hang_up, keep_the_line),
    _row(
        "hangs",
        fails(Fault(hang=True)),
        works,
        logged("send_failed", least=IN_FLIGHT),
        lasts=HUNG_SECONDS,
        longest_wait=HUNG_SECONDS - 2,
        mail_recovery=PAUSE_SECONDS,
    ),
    _row(
        "401 for a while",
        refuse_key,
        accept_key,
        logged("key_refused"),
        lasts=0,
        longest_wait=KEY_REFUSED_SECONDS - 1,
    ),
    _row(
        "400 for one recipient",
        refuse_one,
        nothing,
        one_is_put_aside,
        only_one_asks_again,
        dead_letters=frozenset({"refused"}),
        resend_after=5,
    ),
    _row(
        "connections refused",
        refuse,
        let_pass("sendgrid"),
        lasts=OUTAGE_SECONDS,
        longest_wait=OUTAGE_SECONDS - 2,
        mail_recovery=PAUSE_SECONDS,
        principal=True,
    ),
    _row("two seconds slower", fails(Fault(delay_ms=2000)), works, longest_wait=2),
    # A mail of about ten kilobytes takes a second.
    _row(
        "a narrow wire",
        wire("sendgrid", lambda proxy: proxy.throttle(10_000)),
        let_pass("sendgrid"),
        longest_wait=1,
    ),
)
