"""What Kafka holds at the end of a row: the events of users, and mails that were put aside."""

from __future__ import annotations

import asyncio
from collections import Counter

import confluent_kafka
import msgspec

from shared.kafka.reading import records_so_far
from tests.fault_matrix.deployment import Deployment

PENDING = "SELECT count(*) FROM outbox WHERE acknowledged_at IS NULL"
# How often an event came, by its user and its id.
Records = Counter[tuple[str, str]]


async def told(deployment: Deployment, *topics: str) -> list[Records]:
    """What each topic holds, of this row and of those before it."""
    return await asyncio.to_thread(_told, deployment, topics)


def came_again(events: list[Records], users: set[str]) -> int:
    """How many events of these users are there besides the first of their id."""
    return sum(times - 1 for each in events for (id, _), times in each.items() if id in users)


async def waiting(deployment: Deployment) -> int:
    """How many events the relay has yet to bring to Kafka."""
    count: int = (await deployment.corner.fetch(PENDING))[0][0]
    return count


async def put_aside(deployment: Deployment) -> frozenset[str]:
    """The registration ids of which a dead letter is there."""
    contents = [letter.content() for letter in await deployment.dead_letters()]
    return frozenset(
        str(content.get("challenge_id")) for content in contents if isinstance(content, dict)
    )


def _told(deployment: Deployment, topics: tuple[str, ...]) -> list[Records]:
    prefix = deployment.corner.topic_prefix
    client = confluent_kafka.Consumer(
        {"bootstrap.servers": deployment.parts.kafka.url, "group.id": "ledger"}
    )
    counts: dict[str, Records] = {topic: Counter() for topic in topics}
    try:
        for record in records_so_far(client, {prefix + topic for topic in topics}):
            id = msgspec.json.decode(record.value() or b"{}").get("user_id", "")
            event_id = str(dict(record.headers() or [])["ce_id"])
            counts[(record.topic() or "").removeprefix(prefix)][id, event_id] += 1
    finally:
        client.close()
    return list(counts.values())
