"""Postgres is away, hangs, dies, is slow, takes no writes or no connections."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import asyncpg

from tests.fault_matrix.demands import refused, slower
from tests.fault_matrix.deployment import Deployment
from tests.fault_matrix.faults import (
    CALM,
    TIMES,
    gone,
    let_pass,
    reset_again_and_again,
    wire,
)
from tests.fault_matrix.ledger import EVERYTHING
from tests.fault_matrix.row import Row
from tests.fault_matrix.steps import nothing

FELT = (refused("register", "verify", "log in"), refused("profile", least=1))
# So long do people look for their mail: whoever is caught by the fault must still arrive.
THINKING = 1.0
# The service and the relay's worker, each with its pool, and one more for a breaker's probe.
MOST_CONNECTIONS = 2 * (10 + 1)
OTHERS = """
    SELECT pid FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND datname = $1 AND pid <> pg_backend_pid()
"""


async def take_no_writes(deployment: Deployment) -> None:
    await _run(
        deployment,
        "ALTER SYSTEM SET default_transaction_read_only = on",
        "SELECT pg_reload_conf()",
    )


async def take_writes(deployment: Deployment) -> None:
    await _run(
        deployment, "ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()"
    )


async def fail_over_to_a_replica(deployment: Deployment) -> None:
    """Whoever connects from now on finds a server that is read-only, and all must connect anew."""
    name = _database(deployment)
    await _run(deployment, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await _hang_up(deployment)


async def promote_it(deployment: Deployment) -> None:
    """Who connects now may write; who stays connected would be read-only for ever."""
    await _run(
        deployment, f"ALTER DATABASE {_database(deployment)} RESET default_transaction_read_only"
    )


@dataclass
class Hoard:
    """Every connection that Postgres has to give, and those of the services first of all."""

    held: list[asyncpg.Connection[asyncpg.Record]] = field(default_factory=list)

    async def take(self, deployment: Deployment) -> None:
        await self._fill(deployment)
        for _ in range(100):
            others = await self.held[0].fetch(OTHERS, _database(deployment))
            if not others:
                return
            await self.held[0].execute("SELECT pg_terminate_backend($1)", others[0]["pid"])
            await self._fill(deployment)
        raise RuntimeError("the services' connections could not be had")

    async def give_back(self, _deployment: Deployment) -> None:
        await asyncio.gather(*(connection.close() for connection in self.held))
        self.held.clear()

    async def _fill(self, deployment: Deployment) -> None:
        while True:
            try:
                self.held.append(await asyncpg.connect(deployment.parts.postgres.url))
            except asyncpg.TooManyConnectionsError:
                return


async def no_connection_leaked(deployment: Deployment) -> list[str]:
    """The pools hold what they may, and nothing else is open."""
    held = len(await deployment.corner.fetch(OTHERS, _database(deployment)))
    return [f"{held} connections to Postgres"] if held > MOST_CONNECTIONS else []


async def _run(deployment: Deployment, *statements: str) -> None:
    connection = await asyncpg.connect(deployment.parts.postgres.url)
    try:
        # Or what turns writes off could not be turned back.
        await connection.execute("SET default_transaction_read_only = off")
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _hang_up(deployment: Deployment) -> None:
    await deployment.corner.fetch(
        f"SELECT pg_terminate_backend(pid) FROM ({OTHERS}) AS others", _database(deployment)
    )


def _database(deployment: Deployment) -> str:
    return deployment.corner.database_url.rpartition("/")[2]


hoard = Hoard()
ROWS = (
    *gone(
        "Postgres",
        "postgres",
        batches=1,
        thinking=THINKING,
        demands=FELT,
        demands_before=(no_connection_leaked,),
    ),
    Row(
        "Postgres",
        "twenty milliseconds slower",
        wire("postgres", lambda proxy: proxy.delay(0.01)),
        let_pass("postgres"),
        rate=CALM,
        unharmed=EVERYTHING,
        demands=(slower("register", "verify", "log in", "profile", by=0.015),),
        demands_before=(no_connection_leaked,),
    ),
    Row(
        "Postgres",
        "half a second slower",
        wire("postgres", lambda proxy: proxy.delay(0.25)),
        let_pass("postgres"),
        batches=1,
        demands=(refused("log in"),),
        demands_before=(no_connection_leaked,),
    ),
    Row(
        "Postgres",
        "connections reset",
        reset_again_and_again("postgres"),
        nothing,
        lasts=0,
        batches=2 * TIMES,
        demands_before=(no_connection_leaked,),
    ),
    Row(
        "Postgres",
        "read-only",
        take_no_writes,
        take_writes,
        unharmed=frozenset({"register", "profile"}),
        thinking=THINKING,
        demands=(refused("verify", "log in"),),
        demands_before=(no_connection_leaked,),
        principal=True,
    ),
    Row(
        "Postgres",
        "read-only after a failover",
        fail_over_to_a_replica,
        promote_it,
        batches=1,
        thinking=THINKING,
        demands=(refused("verify", "log in"),),
        demands_before=(no_connection_leaked,),
    ),
    Row(
        "Postgres",
        "no connection left (max_connections)",
        hoard.take,
        hoard.give_back,
        batches=1,
        thinking=THINKING,
        demands=FELT,
        demands_before=(no_connection_leaked,),
    ),
)
LEFT_OUT = (
    "Postgres is twenty milliseconds slower for 8 people a second instead of 20: a transaction "
    "holds one of the pool's ten connections for all its round trips, so nearly all of them would "
    "be taken, and whoever waits a second for one is refused.",
)
