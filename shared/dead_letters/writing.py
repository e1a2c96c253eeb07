"""Putting a message aside, as it came, with the reason in its headers."""

from __future__ import annotations

import asyncio
from itertools import count

import structlog

from shared.backoff import backoff
from shared.dead_letters.headers import End, now, original
from shared.events import Headers
from shared.kafka import KafkaUnavailable, Message, Producer
from shared.topics import DEAD_LETTER_SUFFIX

# What is larger is no event of ours, and with our headers might exceed what a broker takes.
LONGEST_VALUE = 256 * 1024
LONGEST_HEADERS = 64 * 1024
LONGEST_KEY = 1024
LONGEST_DETAIL = 1000

log = structlog.get_logger()


class DeadEnd(Exception):
    """A message that no further try can help. `detail` never holds a code, nor who a person is."""

    def __init__(self, reason: str, detail: str = "", attempts: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail
        self.attempts = attempts


async def bury(producer: Producer, message: Message, end: DeadEnd) -> None:
    """Return only once the brokers hold the dead letter: then the offset may move past."""
    for attempt in count(1):
        try:
            await put_aside(producer, message, end)
            break
        except KafkaUnavailable as error:
            log.warning("dead_letter_failed", reason=str(error))
            with message.assignment.waiting():
                await asyncio.sleep(backoff(attempt))
    log.warning(
        "dead_letter", topic=message.topic, event_id=message.header("ce_id"), reason=end.reason
    )


async def put_aside(producer: Producer, message: Message, end: DeadEnd) -> None:
    """Return once the brokers hold the dead letter; raises KafkaUnavailable."""
    await producer.produce(
        message.topic + DEAD_LETTER_SUFFIX,
        message.key[:LONGEST_KEY] if message.key is not None else None,
        message.value[:LONGEST_VALUE] if message.value is not None else None,
        _kept(message.headers) + _told(message, end).headers(),
    )


def _told(message: Message, end: DeadEnd) -> End:
    return End(
        topic=message.topic,
        at=now(),
        reason=end.reason,
        detail=end.detail[:LONGEST_DETAIL],
        attempts=str(end.attempts),
    )


def _kept(headers: Headers) -> Headers:
    size = sum(len(name) + len(value or b"") for name, value in headers)
    return original(headers) if size <= LONGEST_HEADERS else []
