"""More than can be done at once: it waits its turn, and nothing of it is lost."""

from __future__ import annotations

import asyncio

from dev_stack.mail_stand_in import Fault
from tests.fault_matrix import steps
from tests.fault_matrix.demands import all_arrive
from tests.fault_matrix.deployment import Deployment
from tests.fault_matrix.faults import CALM
from tests.fault_matrix.row import Row
from tests.report import Size

SIZE = Size.wanted()
# Two cores for everything serve some 250 requests a second, and each newcomer asks four times.
NEWCOMERS = SIZE.pick(300, 500)
# Ten at a time: so that what 25 mails a second leave waits for a while.
SLOW = Fault(delay_ms=400)
EVENTS = 20_000
OF_NOBODY = """
    INSERT INTO outbox (topic, key, payload)
    SELECT 'user_updated', id::text, json_build_object(
        'version', 1, 'user_id', id, 'account_version', 1, 'name', 'Nobody', 'username', NULL,
        'status', 'active', 'updated_at', now())::text
    FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, $1)) AS nobody
"""


async def burst(deployment: Deployment) -> None:
    deployment.sendgrid.faults.add(SLOW)
    await steps.burst(deployment, NEWCOMERS)


async def speed_up(deployment: Deployment) -> None:
    deployment.sendgrid.faults.clear()


async def fill_outbox(deployment: Deployment) -> None:
    await deployment.corner.fetch(OF_NOBODY, EVENTS)
    left = await deployment.waiting_events()
    if left < EVENTS / 2:
        deployment.problems.append(f"only {left} events waited for the relay")


async def drain_outbox(deployment: Deployment) -> None:
    """A relay that keeps up has its few events out again within seconds."""
    for _ in range(200):
        if await deployment.waiting_events() < EVENTS / 100:
            return
        await asyncio.sleep(0.1)
    deployment.problems.append("the relay did not come to the end of its queue")


ROWS = (
    Row(
        "full queues",
        f"{NEWCOMERS} register within seconds, with a slow SendGrid",
        burst,
        speed_up,
        rate=CALM,
        longest_wait=3,
        mail_recovery=15,
        demands=(all_arrive,),
    ),
    Row(
        "full queues",
        f"{EVENTS:,} events at once for the relay",
        fill_outbox,
        drain_outbox,
        lasts=0,
        unharmed=frozenset({"register", "verify", "log in", "profile"}),
        demands=(all_arrive,),
    ),
)
