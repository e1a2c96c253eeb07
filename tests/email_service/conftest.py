"""A post office of each test's own: its topics, its stand-in, and whatever workers it starts."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from anyio import to_thread

from dev_stack import kafka
from dev_stack.mail_stand_in import MailStandIn
from dev_stack.part import Part
from shared import topics
from shared.events import new_id
from shared.kafka import KafkaConnection, Producer, create_topics
from tests.email_service.post_office import KEY, PostOffice


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[PostOffice]:
    async with opened(os.environ["KAFKA_BROKER"], tmp_path) as office:
        yield office


@pytest.fixture
async def office_with_own_kafka(tmp_path: Path) -> AsyncIterator[tuple[PostOffice, Part]]:
    part = await to_thread.run_sync(kafka.start, tmp_path)
    try:
        async with opened(part.url, tmp_path) as office:
            yield office, part
    finally:
        part.kill()


@asynccontextmanager
async def opened(brokers: str, folder: Path) -> AsyncIterator[PostOffice]:
    # Marks go by event id, so the tests of all workers may share one Redis number.
    connection = KafkaConnection(brokers=brokers, topic_prefix=f"{new_id()[:8]}-")
    dead_letters = [topics.dead_letters_of(topic) for topic in topics.MAIL]
    await create_topics(connection, [*topics.MAIL, *dead_letters])
    producer = Producer(connection, timeout=10)
    producer.start()
    async with MailStandIn(key=KEY) as sendgrid:
        yield PostOffice(connection, os.environ["REDIS_URL"], sendgrid, producer, folder)
    await producer.close(1)
