"""Putting a message aside, as it came, with the reason in its headers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from shared.events import Headers
from shared.kafka import Message, Producer
from shared.topics import DEAD_LETTER_SUFFIX

Reason = Literal["malformed", "unknown email", "expired", "refused", "undelivered", "failed"]

# What is larger is no event of ours, and with our headers might exceed what a broker takes.
LONGEST_VALUE = 256 * 1024
LONGEST_HEADERS = 64 * 1024


class Undeliverable(Exception):
    """A message that no further try can help. `detail` never holds a code."""

    def __init__(self, reason: Reason, detail: str = "", attempts: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail
        self.attempts = attempts


async def put_aside(producer: Producer, message: Message, end: Undeliverable) -> None:
    """Return once the brokers hold the dead letter; raises KafkaUnavailable."""
    await producer.produce(
        message.topic + DEAD_LETTER_SUFFIX,
        message.key,
        message.value[:LONGEST_VALUE] if message.value is not None else None,
        _kept(message.headers) + _death(message, end),
    )


def _death(message: Message, end: Undeliverable) -> Headers:
    return [
        ("dead_reason", end.reason.encode()),
        ("dead_detail", end.detail.encode()),
        ("dead_at", datetime.now(UTC).isoformat(timespec="milliseconds").encode()),
        ("dead_topic", message.topic.encode()),
        ("dead_attempts", str(end.attempts).encode()),
    ]


def _kept(headers: Headers) -> Headers:
    size = sum(len(name) + len(value or b"") for name, value in headers)
    # A replayed message that dies again must not carry its first death along.
    kept = [header for header in headers if not header[0].startswith("dead_")]
    return kept if size <= LONGEST_HEADERS else []
