"""The user service's worker dies, stands still or is restarted: every event goes out."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from tests.fault_matrix.demands import logged
from tests.fault_matrix.deployment import Deployment
from tests.fault_matrix.faults import (
    CALM,
    TIMES,
    kill_again_and_again,
    restart_in_turn,
    terminate_while_hung,
    thaw_and_start,
)
from tests.fault_matrix.ledger import EVERYTHING
from tests.fault_matrix.row import Row
from tests.fault_matrix.steps import nothing
from tests.user_service.neighbour import SOURCE, Neighbour
from user_service.outbox.outbox_store import RELAY_LOCK

TWO = ("service", "worker", "worker-2", "email")
FOLLOWING = {"LIFECYCLE_SOURCES": SOURCE}
TRIES = 50
RELAYING = f"SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = {RELAY_LOCK & 0xFFFFFFFF}"
LATE = """
    SELECT count(*) FROM outbox
    WHERE acknowledged_at IS NULL AND created_at < now() - interval '2 seconds'
"""


@dataclass
class Renamed:
    """A neighbour tells the names of users while the worker is hurt; all of them must follow."""

    names: dict[str, str] = field(default_factory=dict)

    async def strike(self, deployment: Deployment) -> None:
        self.names = {}
        hurting = asyncio.ensure_future(kill_again_and_again("worker")(deployment))
        with Neighbour.of(deployment.corner) as neighbour:
            while not hurting.done():
                for id in [*deployment.traffic.ledger.created.values()]:
                    if id not in self.names:
                        self.names[id] = f"Ann {len(self.names)}"
                        neighbour.rename(id, self.names[id])
                await asyncio.sleep(0.05)
        await hurting

    async def followed(self, deployment: Deployment) -> list[str]:
        rows = await deployment.corner.fetch(
            "SELECT id, name FROM accounts WHERE id = ANY($1::uuid[])", [*self.names]
        )
        wrong = [row["id"] for row in rows if row["name"] != self.names[str(row["id"])]]
        few = [] if len(self.names) > 50 else [f"only {len(self.names)} users were renamed"]
        return few + ([f"{len(wrong)} of {len(rows)} names did not follow"] if wrong else [])


async def freeze_between_batches(deployment: Deployment) -> None:
    """One that stands still with the relay's lock makes the other wait, which loses nothing."""
    for _ in range(TRIES):
        deployment.freeze("worker")
        await asyncio.sleep(0.1)
        held = [await deployment.corner.fetch(RELAYING) for _ in range(2)]
        if not all(held):
            return
        deployment.thaw("worker")
        await asyncio.sleep(0.1)
    deployment.problems.append(f"{TRIES} times the worker stood still with the relay's lock")


async def thaw(deployment: Deployment) -> None:
    """By now the other worker has done what the one that stands still would have."""
    if late := (await deployment.corner.fetch(LATE))[0][0]:
        deployment.problems.append(f"{late} events were late: nobody has taken over")
    deployment.thaw("worker")


renamed = Renamed()
ROWS = (
    Row(
        "service's worker",
        "kill -9, started again",
        kill_again_and_again("worker"),
        nothing,
        unharmed=EVERYTHING,
        rate=CALM,
        lasts=0,
        demands=(logged("worker_started", least=TIMES + 1),),
        principal=True,
    ),
    Row(
        "service's worker",
        "kill -9 while it follows another service",
        renamed.strike,
        nothing,
        settings=FOLLOWING,
        unharmed=EVERYTHING,
        rate=CALM,
        lasts=0,
        demands_before=(renamed.followed,),
    ),
    Row(
        "service's worker",
        "one of two stands still (SIGSTOP)",
        freeze_between_batches,
        thaw,
        processes=TWO,
        settings=FOLLOWING,
        unharmed=EVERYTHING,
        rate=CALM,
        batches=1,
    ),
    Row(
        "service's worker",
        "rolling restart of two (SIGTERM)",
        restart_in_turn("worker", "worker-2"),
        nothing,
        processes=TWO,
        settings=FOLLOWING,
        unharmed=EVERYTHING,
        rate=CALM,
        lasts=0,
    ),
    Row(
        "service's worker",
        "SIGTERM while Kafka hangs",
        terminate_while_hung("kafka", "worker"),
        thaw_and_start("kafka", "worker"),
        settings=FOLLOWING,
        unharmed=frozenset({"verify", "log in", "profile"}),
        lasts=0,
        batches=1,
        least_refused=10,
    ),
)
