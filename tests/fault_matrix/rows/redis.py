"""Redis is away, hangs, dies, is slow or full, or forgets everything."""

from __future__ import annotations

from redis.asyncio import Redis

from tests.fault_matrix.demands import answered, refused, slower
from tests.fault_matrix.deployment import Deployment
from tests.fault_matrix.faults import (
    gone,
    let_pass,
    reset_again_and_again,
    wire,
)
from tests.fault_matrix.ledger import EVERYTHING
from tests.fault_matrix.row import Row
from tests.fault_matrix.steps import nothing

# Login goes on with a throttle of each process, and profile does not notice.
UNHARMED = frozenset({"log in", "profile"})
FELT = (refused("register", "verify"),)
# So long do people look for their mail: whoever is caught by the fault must still arrive.
THINKING = 1.0


async def fill(deployment: Deployment) -> None:
    await _configure(deployment, maxmemory=1)


async def empty(deployment: Deployment) -> None:
    await _configure(deployment, maxmemory=0)


async def flush(deployment: Deployment) -> None:
    async with Redis.from_url(deployment.parts.redis.url) as redis:
        await redis.flushall()


async def _configure(deployment: Deployment, maxmemory: int) -> None:
    async with Redis.from_url(deployment.parts.redis.url) as redis:
        await redis.config_set("maxmemory", maxmemory)


ROWS = (
    *gone("Redis", "redis", unharmed=UNHARMED, thinking=THINKING, demands=FELT),
    Row(
        "Redis",
        "a tenth of a second slower",
        wire("redis", lambda proxy: proxy.delay(0.05)),
        let_pass("redis"),
        unharmed=EVERYTHING,
        demands=(slower("register", "verify", "log in", by=0.08),),
    ),
    Row(
        "Redis",
        "connections reset",
        reset_again_and_again("redis"),
        nothing,
        unharmed=UNHARMED,
        lasts=0,
    ),
    Row(
        "Redis",
        "memory full (noeviction)",
        fill,
        empty,
        unharmed=UNHARMED,
        thinking=THINKING,
        demands=FELT,
        principal=True,
    ),
    # Open codes are gone with it, and whoever holds one is told to ask for another.
    Row(
        "Redis",
        "FLUSHALL",
        flush,
        nothing,
        unharmed=UNHARMED | {"register"},
        thinking=THINKING,
        statuses=frozenset({410}),
        demands=(answered(410, "verify"),),
    ),
)
