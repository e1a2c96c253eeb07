"""Which messages of Svix have reached Kafka: a mark of each in Redis, for a while.

It saves work and is no promise: who applies them tells by their versions what is new.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from user_service.errors import Unavailable
from user_service.storage.redis import RedisStore

# Longer than a signature counts. Not for long: people send a message again when it went wrong here.
KEPT_SECONDS = 15 * 60


@dataclass(frozen=True, slots=True)
class Deliveries:
    redis: RedisStore

    async def includes(self, message_id: str) -> bool:
        """Whether the message was here; it was not, for all we know, while Redis is down."""
        with suppress(Unavailable):
            return bool(await self.redis.command("EXISTS", _key(message_id)))
        return False

    async def add(self, message_id: str) -> None:
        with suppress(Unavailable):
            await self.redis.command("SET", _key(message_id), 1, "EX", KEPT_SECONDS)


def _key(message_id: str) -> str:
    return f"clerk-message:{message_id}"
