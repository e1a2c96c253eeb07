"""Events read from Kafka, a line for each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import confluent_kafka
import msgspec
from confluent_kafka import KafkaException
from msgspec import Struct

from shared.kafka import KafkaConnection, KafkaUnavailable
from shared.kafka.assignment import headers_of
from shared.kafka.reading import records_as_they_come
from shared.log import masked
from shared.terminal import printable


class Heard(Struct, frozen=True, kw_only=True):
    """One record, whoever wrote it; `event` is its first characters when it is no JSON."""

    topic: str
    partition: int
    offset: int
    id: str
    source: str
    time: str
    key: str
    event: object

    @classmethod
    def of(cls, record: confluent_kafka.Message, prefix: str) -> Heard:
        headers = dict(headers_of(record))
        return cls(
            topic=(record.topic() or "").removeprefix(prefix),
            partition=record.partition() or 0,
            offset=record.offset() or 0,
            id=_text(headers.get("ce_id")),
            source=_text(headers.get("ce_source")),
            time=_text(headers.get("ce_time")),
            key=_text(record.key()),
            event=_content(record.value()),
        )

    def as_json(self) -> str:
        """On one line, and in ASCII: what others wrote must not steer the terminal."""
        return json.dumps(msgspec.to_builtins(self))

    def as_line(self) -> str:
        """For people, and without who the person is."""
        event = self.event if isinstance(self.event, dict) else {"no event": self.event}
        told = [
            f"{name}={_shown(name, value)}"
            for name, value in event.items()
            if name not in ("version", "user_id")
        ]
        return printable("  ".join([self.time, f"{self.topic:24}", self.key, " ".join(told)]))


def listen(
    connection: KafkaConnection, names: Sequence[str], *, from_beginning: bool
) -> Iterator[Heard]:
    """The topics' events for ever; raises KafkaUnavailable."""
    # A group's name is demanded, but without a subscription none is joined.
    config = connection.client_config() | {"group.id": "events-tail", "enable.auto.commit": False}
    client = confluent_kafka.Consumer(config)
    prefix = connection.topic_prefix
    try:
        topics = {prefix + name for name in names}
        for record in records_as_they_come(client, topics, from_beginning=from_beginning):
            yield Heard.of(record, prefix)
    except KafkaException as error:
        raise KafkaUnavailable(str(error), certain=True) from None
    finally:
        client.close()


def _shown(name: str, value: object) -> str:
    if name in ("email", "address") and isinstance(value, str):
        return masked(value)
    if name == "name" and isinstance(value, str):
        return f"{value[:1]}***"
    return value if isinstance(value, str) else json.dumps(value)


def _content(value: str | bytes | None) -> object:
    try:
        return msgspec.json.decode(value or b"")
    except (ValueError, RecursionError):
        return _text(value)[:200]


def _text(value: str | bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace") if not isinstance(value, str) else value
