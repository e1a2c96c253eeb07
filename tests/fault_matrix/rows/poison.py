"""Records that nobody should send, between those that are fine."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import confluent_kafka
import msgspec

from shared.events import Headers, headers
from shared.topics import FOREIGN, MAIL, SEND_OTP, USER_DEACTIVATED, USER_UPDATED, Topic
from tests.fault_matrix.demands import all_arrive
from tests.fault_matrix.deployment import Deployment
from tests.fault_matrix.row import Row
from tests.fault_matrix.steps import nothing

SOURCE = "crm.example.org"
OF_EACH = 25
SECONDS = 4.0
PROMPT_SECONDS = 2.0
MEBIBYTE = b'{"padding":"' + b"x" * (2**20 - 4000) + b'"}'
NO_EVENTS: tuple[bytes | None, ...] = (
    None,
    b"",
    b"{not json",
    b'["a list"]',
    b"\xff\xfe\x00",
    b"\x1f\x8b\x08\x00\x00\x00",
    b'{"more":' * 20_000 + b"1" + b"}" * 20_000,
    MEBIBYTE,
)


def _otp(**fields: Any) -> bytes:
    event = {
        "challenge_id": str(uuid.uuid4()),
        "purpose": "register",
        "email": "one-time-code",
        "address": "poison@example.org",
        "sequence": 1,
        "kid": "k1",
        "issued_at": 0,
        "expires_at": 2**42,
    }
    return msgspec.json.encode(event | fields)


POISONED_MAIL = (
    *NO_EVENTS,
    _otp(purpose="take over"),
    _otp(email="no-such-template"),
    _otp(address="a@example.org\r\nBcc: all@example.org"),
    _otp(address="no address"),
    _otp(sequence="one"),
    _otp(expires_at=1),
)
POISONED_EVENTS = (
    *NO_EVENTS,
    b'{"name":"Nobody"}',
    b'{"user_id":7,"name":"Number"}',
    b'{"user_id":"\' OR 1=1 --","name":"SQL"}',
    msgspec.json.encode({"user_id": str(uuid.uuid4()), "name": "a\x00b"}),
    msgspec.json.encode({"user_id": str(uuid.uuid4()), "name": "Unknown user"}),
)


async def poison(deployment: Deployment) -> None:
    """Fifty records within a few seconds, in between the good ones."""
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": deployment.parts.kafka.url, "message.max.bytes": 2 * 2**20}
    )
    mails, events = itertools.cycle(POISONED_MAIL), itertools.cycle(POISONED_EVENTS)
    for number in range(OF_EACH):
        foreign = (USER_UPDATED, USER_DEACTIVATED)[number % 2]
        _produce(producer, deployment, SEND_OTP, next(mails))
        _produce(producer, deployment, foreign, next(events))
        await asyncio.sleep(SECONDS / OF_EACH)
    if left := await asyncio.to_thread(producer.flush, 10):
        deployment.problems.append(f"{left} records could not be produced")


def _produce(
    producer: confluent_kafka.Producer, deployment: Deployment, topic: Topic, value: bytes | None
) -> None:
    name = deployment.corner.topic_prefix + topic.name
    sent: list[tuple[str, str | bytes | None]] = [*_headers(topic)]
    producer.produce(name, value, key=str(uuid.uuid4()), headers=sent)


def _headers(topic: Topic) -> Headers:
    ours = headers(str(uuid.uuid4()), topic.name, datetime.now(UTC))
    return [(name, SOURCE.encode() if name == "ce_source" else value) for name, value in ours]


async def each_is_put_aside(deployment: Deployment) -> list[str]:
    return [
        *await _new_letters(deployment, MAIL),
        *await _new_letters(deployment, FOREIGN),
    ]


async def _new_letters(deployment: Deployment, topics: Sequence[Topic]) -> list[str]:
    new = len(await deployment.new_dead_letters(*topics))
    return [] if new == OF_EACH else [f"{new} of {OF_EACH} put aside from {topics[0].name}"]


async def others_are_prompt(deployment: Deployment) -> list[str]:
    seconds = deployment.traffic.ledger.mail_quantile(0.99)
    return [] if seconds <= PROMPT_SECONDS else [f"mails took {seconds:.1f} s (p99)"]


ROWS = (
    Row(
        "poison",
        f"{2 * OF_EACH} records that are no events",
        poison,
        nothing,
        settings={"LIFECYCLE_SOURCES": SOURCE},
        lasts=0,
        unharmed=frozenset({"register", "verify", "log in", "profile"}),
        dead_letters=frozenset({"malformed", "expired", "unknown email", "unknown user"}),
        demands=(all_arrive, each_is_put_aside, others_are_prompt),
        principal=True,
    ),
)
