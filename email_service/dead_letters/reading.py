"""Looking through the dead letters, and sending one on its way again or dropping it.

A topic cannot forget a single message: what was replayed or dropped is marked in Redis for as long
as the topic keeps it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import confluent_kafka
import msgspec
from confluent_kafka import OFFSET_BEGINNING, KafkaException, TopicPartition
from msgspec import Struct
from redis.asyncio import Redis

from email_service.dead_letters.headers import End, end_in, original
from shared.events import Headers
from shared.kafka import KafkaConnection, KafkaUnavailable, Producer
from shared.topics import MAIL, SEND_OTP, dead_letters_of

ANSWER_SECONDS = 5.0
BATCH, BATCH_SECONDS = 500, 0.2
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
        return dict(self.headers).get("ce_id", b"").decode("utf-8", "replace")

    @property
    def has_ended(self) -> bool:
        """Whether it asks for a code that is not valid any more."""
        try:
            return msgspec.json.decode(self.value or b"", type=_Life).expires_at <= _now_ms()
        except msgspec.DecodeError:
            return False

    def summary(self) -> dict[str, str]:
        """What a list shows: nothing of the content, which names a person."""
        return {"id": self.id, **self.end.told(), "event_id": self.event_id}

    def content(self) -> object:
        """The event as data, or its first characters when it is none."""
        try:
            return msgspec.json.decode(self.value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError):
            return (self.value or b"")[:2000].decode("utf-8", "replace")


class _Life(Struct):
    expires_at: float = math.inf


def _now_ms() -> float:
    return time.time() * 1000


@dataclass(frozen=True, slots=True)
class DeadLetters:
    connection: KafkaConnection
    redis: Redis

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
        retention = dead_letters_of(SEND_OTP).retention
        await self.redis.set(SETTLED + letter.id, outcome, ex=retention)

    def _read_all(self) -> list[DeadLetter]:
        client = confluent_kafka.Consumer(
            # A group's name is demanded, but without a subscription none is joined.
            self.connection.client_config()
            | {"group.id": "dead-letters", "enable.auto.commit": False}
        )
        try:
            names = {self.connection.topic_name(dead_letters_of(topic)) for topic in MAIL}
            letters = [_letter(record) for record in _records(client, names)]
        except KafkaException as error:
            raise KafkaUnavailable(str(error), certain=True) from None
        finally:
            client.close()
        return sorted(letters, key=lambda letter: letter.end.at)


def _records(
    client: confluent_kafka.Consumer, names: set[str]
) -> Iterator[confluent_kafka.Message]:
    """All that the topics hold now; raises KafkaUnavailable when the brokers fall silent."""
    ends = _ends(client, names)
    client.assign([TopicPartition(*partition, OFFSET_BEGINNING) for partition in ends])
    heard = time.monotonic()
    while ends:
        for record in client.consume(BATCH, BATCH_SECONDS):
            if record.error() is None:
                heard = time.monotonic()
                yield record
        if time.monotonic() - heard > ANSWER_SECONDS:
            raise KafkaUnavailable("the dead letters could not be read to their end", certain=True)
        for at in client.position(client.assignment()):
            if at.offset >= ends.get((at.topic, at.partition), math.inf):
                del ends[at.topic, at.partition]


def _ends(client: confluent_kafka.Consumer, names: set[str]) -> dict[tuple[str, int], int]:
    """Where each partition that holds anything ends at this moment."""
    topics = client.list_topics(timeout=ANSWER_SECONDS).topics
    ends = {}
    for name in names & topics.keys():
        for number in topics[name].partitions:
            at = TopicPartition(name, number)
            start, end = client.get_watermark_offsets(at, ANSWER_SECONDS)
            if end > start:
                ends[name, number] = end
    return ends


def _letter(record: confluent_kafka.Message) -> DeadLetter:
    headers = cast("Headers", record.headers() or [])
    topic = record.topic() or ""
    return DeadLetter(
        id=f"{topic}/{record.partition()}/{record.offset()}",
        end=end_in(headers, topic),
        key=record.key(),
        value=record.value(),
        headers=headers,
    )
