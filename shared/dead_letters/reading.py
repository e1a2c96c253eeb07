"""Looking through the dead letters, and sending one on its way again or dropping it.

A topic cannot forget a single message: what was replayed or dropped is marked in Redis for as long
as the topic keeps it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import confluent_kafka
import msgspec
from confluent_kafka import KafkaException
from msgspec import Struct
from redis.asyncio import Redis

from shared.dead_letters.headers import End, end_in, original
from shared.events import Headers
from shared.kafka import KafkaConnection, KafkaUnavailable, Producer
from shared.kafka.assignment import headers_of
from shared.kafka.reading import records_so_far
from shared.topics import Topic, dead_letters_of

SETTLED = "dead-letter:"


class DeadLetter(Struct, frozen=True):
    """One message that was put aside. `id` is `<topic>/<partition>/<offset>`."""

    id: str
    end: End
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def why(self) -> str:
        return f"{self.end.reason}: {self.end.detail}" if self.end.detail else self.end.reason

    @property
    def event_id(self) -> str:
        # A foreign producer may have sent the header without a value.
        return (dict(self.headers).get("ce_id") or b"").decode("utf-8", "replace")

    def summary(self) -> dict[str, str]:
        """What a list shows: nothing of the content, which may name a person."""
        return {"id": self.id, **self.end.told(), "event_id": self.event_id}

    def content(self) -> object:
        """The event as data, or its first characters when it is none."""
        try:
            return msgspec.json.decode(self.value or b"")
        except (ValueError, RecursionError):
            return (self.value or b"")[:2000].decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Of some topics: each service looks after those that it consumes."""

    connection: KafkaConnection
    redis: Redis
    topics: Sequence[Topic]

    async def waiting(self) -> list[DeadLetter]:
        """Those that were neither replayed nor dropped, oldest first; raises KafkaUnavailable."""
        letters = await asyncio.to_thread(self._read_all)
        if not letters:
            return []
        marks = await self.redis.mget([SETTLED + letter.id for letter in letters])
        return [letter for letter, mark in zip(letters, marks, strict=True) if mark is None]

    async def replay(self, producer: Producer, letter: DeadLetter) -> None:
        """Produce the original event to its topic again; raises KafkaUnavailable."""
        headers = original(letter.headers)
        await producer.produce(letter.end.topic, letter.key, letter.value, headers)
        await self._settle(letter, "replayed")

    async def drop(self, letter: DeadLetter) -> None:
        await self._settle(letter, "dropped")

    async def _settle(self, letter: DeadLetter, outcome: str) -> None:
        longest = max(dead_letters_of(topic).retention for topic in self.topics)
        # Twice as long: brokers may keep a letter beyond its time.
        await self.redis.set(SETTLED + letter.id, outcome, ex=2 * longest)

    def _read_all(self) -> list[DeadLetter]:
        client = confluent_kafka.Consumer(
            # A group's name is demanded, but without a subscription none is joined.
            self.connection.client_config()
            | {"group.id": "dead-letters", "enable.auto.commit": False}
        )
        try:
            names = {self.connection.topic_name(dead_letters_of(topic)) for topic in self.topics}
            letters = [_letter(record) for record in records_so_far(client, names)]
        except KafkaException as error:
            raise KafkaUnavailable(str(error), certain=True) from None
        finally:
            client.close()
        return sorted(letters, key=lambda letter: letter.end.at)


def _letter(record: confluent_kafka.Message) -> DeadLetter:
    headers = headers_of(record)
    topic = record.topic() or ""
    return DeadLetter(
        id=f"{topic}/{record.partition()}/{record.offset()}",
        end=end_in(headers, topic),
        key=record.key(),
        value=record.value(),
        headers=headers,
    )
