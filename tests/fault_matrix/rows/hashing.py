"""More people come than can be hashed for: whoever finds no room is told at once."""

from __future__ import annotations

import asyncio
from statistics import median

from tests.fault_matrix.demands import refused
from tests.fault_matrix.deployment import Deployment
from tests.fault_matrix.faults import CALM
from tests.fault_matrix.ledger import AS_PROMISED
from tests.fault_matrix.row import Row
from tests.fault_matrix.steps import nothing
from tests.fault_matrix.traffic import Traffic
from tests.report import Size

# One thread, for a crowd that wants a hash or two each: which machine could do that many does not
# matter, since the row is red unless some were refused.
SETTINGS = {
    "HASH_THREADS": "1",
    "HASH_QUEUE": "16",
    "ARGON2_MEMORY_KIB": "19456",
    "ARGON2_TIME": "4",
}
CROWD = 40.0
CROWD_SECONDS = Size.wanted().pick(4, 20)
HASHED = {"register", "log in"}
# The usual refusal, on a machine that is busy with the crowd itself: nobody has waited for a hash.
AT_ONCE_SECONDS = 0.25
ADMITTED_SECONDS = 1.5


async def crowd(deployment: Deployment) -> None:
    steady = deployment.traffic
    more = Traffic(
        steady.http, steady.urls, steady.sendgrid, steady.ledger, steady.patience, rate=CROWD
    )
    async with more.flowing():
        await asyncio.sleep(CROWD_SECONDS)


async def told_at_once(deployment: Deployment) -> list[str]:
    seen = deployment.traffic.ledger.during(deployment.struck, deployment.healed)
    times = [each.seconds for each in seen if each.status == 503]
    usual = median(times) if times else 0.0
    return [f"refused after {usual:.2f} s"] if usual > AT_ONCE_SECONDS else []


async def admitted_in_time(deployment: Deployment) -> list[str]:
    seen = deployment.traffic.ledger.during(deployment.struck, deployment.healed)
    times = sorted(
        each.seconds
        for each in seen
        if each.step in HASHED and each.status == AS_PROMISED[each.step]
    )
    slow = times[int(0.99 * len(times))] if times else float("inf")
    return [f"a hundredth waited for {slow:.2f} s"] if slow > ADMITTED_SECONDS else []


ROWS = (
    Row(
        "service",
        "more than it can hash",
        crowd,
        nothing,
        settings=SETTINGS,
        unharmed=frozenset({"verify", "profile"}),
        lasts=0,
        rate=CALM / 4,
        demands=(refused("register", "log in"), told_at_once, admitted_in_time),
    ),
)
