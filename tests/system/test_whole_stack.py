"""User service, worker and email service together: from a registration to its events."""

from __future__ import annotations

import json
import time
from typing import Any

import confluent_kafka
import pytest
from anyio import to_thread

from tests.corner import Corner
from tests.people import Person, log_in, register, verify
from tests.system.stack import Stack

pytestmark = pytest.mark.anyio


async def test_a_code_comes_by_mail_and_the_account_comes_by_event(
    stack: Stack, corner: Corner
) -> None:
    person = Person(name="Ann Unmistakable")
    async with stack.service.client() as client:
        registration_id = await register(client, person)
        mail = await stack.mail_to(person)
        assert mail.code is not None
        assert person.name not in mail.text + mail.html + mail.subject
        verified = await verify(client, person, registration_id, mail.code)
        assert verified.status_code == 201
        assert (await log_in(client, person)).status_code == 200

    user_id = verified.json()["data"]["user"]["id"]
    registered, logged_in = await to_thread.run_sync(events_about, corner, user_id)
    assert registered["email"] == person.email
    assert (registered["account_version"], logged_in["account_version"]) == (1, 2)
    assert "token" not in logged_in


async def test_the_owner_of_a_taken_address_gets_a_truthful_mail_without_a_code(
    stack: Stack,
) -> None:
    owner, stranger = Person(), Person()
    async with stack.service.client() as client:
        registration_id = await register(client, owner)
        first = await stack.mail_to(owner)
        assert first.code is not None
        await verify(client, owner, registration_id, first.code)
        stack.sendgrid.mailbox.clear()

        stranger.email = owner.email
        stranger.password = "another pass phrase"
        await register(client, stranger)
        second = await stack.mail_to(owner)
        assert second.code is None
        assert "already" in second.text
        assert (await log_in(client, stranger)).status_code == 401
        assert (await log_in(client, owner)).status_code == 200


def events_about(corner: Corner, user_id: str) -> list[dict[str, Any]]:
    """This user's first event on each lifecycle topic."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": corner.variables["KAFKA_BROKER"],
            "group.id": f"{corner.topic_prefix}{user_id}",
            "auto.offset.reset": "earliest",
        }
    )
    topics = [corner.topic_prefix + name for name in ("user_registered", "user_logged_in")]
    consumer.subscribe(topics)
    found: dict[str, dict[str, Any]] = {}
    deadline = time.monotonic() + 15
    while len(found) < len(topics) and time.monotonic() < deadline:
        message = consumer.poll(0.2)
        if message is not None and not message.error() and message.key() == user_id.encode():
            found.setdefault(message.topic() or "", json.loads(message.value() or b""))
    consumer.close()
    return [found[topic] for topic in topics]
