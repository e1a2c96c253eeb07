"""Kafka is away, hangs, dies, is slow or loses connections."""

from __future__ import annotations

import asyncio

from tests.fault_matrix.deployment import Deployment
from tests.fault_matrix.row import Row

# Only what sends a mail at once needs Kafka; the rest tells of itself through the outbox.
UNHARMED = frozenset({"verify", "log in", "profile"})


async def refuse(deployment: Deployment) -> None:
    deployment.kafka_wire.refuse()


async def let_pass(deployment: Deployment) -> None:
    deployment.kafka_wire.let_pass()


async def freeze(deployment: Deployment) -> None:
    deployment.kafka.freeze()


async def thaw(deployment: Deployment) -> None:
    deployment.kafka.thaw()


async def kill(deployment: Deployment) -> None:
    await asyncio.to_thread(deployment.kafka.kill)


async def start(deployment: Deployment) -> None:
    await asyncio.to_thread(deployment.kafka.start)


async def slow(deployment: Deployment) -> None:
    deployment.kafka_wire.delay(0.25)


ROWS = (
    Row("Kafka", "connections refused", refuse, let_pass, unharmed=UNHARMED),
    Row("Kafka", "hangs (SIGSTOP)", freeze, thaw, unharmed=UNHARMED),
    Row("Kafka", "kill -9, started again", kill, start, unharmed=UNHARMED),
    Row("Kafka", "half a second slower", slow, let_pass, unharmed=UNHARMED),
)
