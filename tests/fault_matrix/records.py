"""What Kafka holds at the end of a row: the events of users, and mails that were put aside."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from typing import NamedTuple

import confluent_kafka
import msgspec

from shared.kafka.reading import records_so_far
from tests.fault_matrix.deployment import Deployment


class Event(NamedTuple):
    """`email` is empty where the event does not tell it."""

    user_id: str
    id: str
    email: str = ""


# How often each event came.
Records = Counter[Event]


async def told(deployment: Deployment, *topics: str) -> list[Records]:
    """What each topic holds, of this row and of those before it."""
    return await asyncio.to_thread(_told, deployment, topics)


def came_again(events: list[Records], users: set[str]) -> int:
    """How many events of these users are there besides the first of their id."""
    return sum(
        times - 1 for each in events for event, times in each.items() if event.user_id in users
    )


def duplicate_users(registered: Records) -> int:
    """How many accounts were made for an address that had one."""
    owners: dict[str, set[str]] = defaultdict(set)
    for event in registered:
        owners[event.email].add(event.user_id)
    return sum(len(ids) - 1 for ids in owners.values())


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
            content = msgspec.json.decode(record.value() or b"{}")
            id = str(dict(record.headers() or [])["ce_id"])
            event = Event(content.get("user_id", ""), id, content.get("email", ""))
            counts[(record.topic() or "").removeprefix(prefix)][event] += 1
    finally:
        client.close()
    return list(counts.values())
