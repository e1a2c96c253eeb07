"""Putting a message aside, as it came, with the reason in its headers."""

from __future__ import annotations

from typing import Literal

from email_service.dead_letters.headers import End, now, original
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
        _kept(message.headers) + _told(message, end).headers(),
    )


def _told(message: Message, end: Undeliverable) -> End:
    return End(
        topic=message.topic,
        at=now(),
        reason=end.reason,
        detail=end.detail,
        attempts=str(end.attempts),
    )


def _kept(headers: Headers) -> Headers:
    size = sum(len(name) + len(value or b"") for name, value in headers)
    return original(headers) if size <= LONGEST_HEADERS else []
