"""What other services rely on: each topic's events in golden files, so that a change shows.

After a change that is meant, `WRITE_GOLDEN=1 pytest …/test_event_contracts.py` writes them anew.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import confluent_kafka
import pytest

from shared.events import Headers
from shared.kafka.reading import records_so_far
from shared.topics import LIFECYCLE, MAIL
from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person, ask_to_register, log_in, member
from tests.service_process import ServiceProcess
from tests.user_service.accounts import opened
from tests.worker_process import WorkerProcess
from user_service.accounts.address_changed import change_address
from user_service.accounts.deleted import delete_account
from user_service.accounts.disabled import disable_account, enable_account
from user_service.accounts.edited import Edit, edit_account
from user_service.accounts.password_changed import (
    change_password,
    reset_password,
    withdraw_password,
)
from user_service.accounts.recovery_requested import note_request
from user_service.audit.audit_store import Actor
from user_service.identity import account_store
from user_service.identity.account_store import Credentials
from user_service.storage.postgres import Transaction

GOLDEN = Path(__file__).parent / "golden"
NAMES = [topic.name for topic in (*MAIL, *LIFECYCLE)]
OPERATOR = Actor("operator", "golden")
NOBODY = UUID(int=0)

Records = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def records(service: ServiceProcess, mailroom: Mailroom, corner: Corner) -> Records:
    """All that one account's whole life puts on Kafka, masked, by topic."""
    person, user_id = asyncio.run(_whole_life(service, mailroom, corner))
    with WorkerProcess.forked(corner.variables):
        deadline = time.monotonic() + 30
        while corner.rows("SELECT FROM outbox WHERE acknowledged_at IS NULL"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    told: Records = {name: [] for name in NAMES}
    for topic, record in _read(corner, user_id.encode(), person.email.encode()):
        told[topic].append(_masked(record, person, user_id))
    # Keyed by challenge, so an address's mails have no order.
    told["send-otp"].sort(key=lambda record: str(record["value"]["email"]))
    return told


async def _whole_life(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> tuple[Person, str]:
    person = await member(service, mailroom, username=f"u{uuid4().hex[:8]}")
    async with service.client() as client:
        user_id = (await log_in(client, person)).json()["data"]["user"]["id"]
        await log_in(client, person)
        assert (await ask_to_register(client, Person(email=person.email))).status_code == 202
    async with opened(corner) as db, db.transaction() as tx:
        await _verbs(tx, UUID(user_id), person)
    return person, user_id


async def _verbs(tx: Transaction, id: UUID, person: Person) -> None:
    found = await _lock(tx, id)
    await edit_account(tx, found.account, Edit(name="Ann Other"), OPERATOR)
    await note_request(tx, person.email, found, OPERATOR)
    await reset_password(tx, found.account, "hash", OPERATOR, challenge_id=uuid4().hex)
    await change_password(tx, found.account, "hash", OPERATOR, keep=NOBODY)
    await change_address(tx, found.account, f"new-{person.email}", OPERATOR)
    found = await _lock(tx, id)
    await withdraw_password(tx, found.account, OPERATOR)
    await disable_account(tx, id, OPERATOR)
    await enable_account(tx, id, OPERATOR)
    await tx.execute("UPDATE sessions SET ended_at = NULL WHERE account_id = $1", id)
    await delete_account(tx, (await _lock(tx, id)).account, OPERATOR)


async def _lock(tx: Transaction, id: UUID) -> Credentials:
    found = await account_store.lock(tx, id)
    assert found is not None
    return found


def _read(corner: Corner, *marks: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    """The records that hold one of the marks: other tests leave what is no JSON on these topics."""
    client = confluent_kafka.Consumer(
        {"bootstrap.servers": corner.variables["KAFKA_BROKER"], "group.id": "golden"}
    )
    try:
        for record in records_so_far(client, {corner.topic_prefix + name for name in NAMES}):
            key, value = bytes(record.key() or b""), bytes(record.value() or b"")
            if not any(mark in key + value for mark in marks):
                continue
            given = cast("Headers", record.headers() or [])
            headers = {name: told.decode() for name, told in given}
            topic = (record.topic() or "").removeprefix(corner.topic_prefix)
            yield topic, {"key": key.decode(), "headers": headers, "value": json.loads(value)}
    finally:
        client.close()


def _masked(record: dict[str, Any], person: Person, user_id: str) -> dict[str, Any]:
    text = json.dumps(record)
    for pattern, name in (
        (re.escape(user_id), "<user>"),
        (re.escape(person.email), "<address>"),
        (re.escape(person.email[:1]) + r"\*\*\*@example.org", "<masked address>"),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<id>"),
        (r'"u[0-9a-f]{8}"', '"<username>"'),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>Z"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", "<time in ms>+00:00"),
        (r"\b1\d{12}\b", '"<epoch milliseconds>"'),
        (r'"challenge_id": "[^"]+"', '"challenge_id": "<challenge>"'),
        (r'"key": "(?!<)[^"]+"', '"key": "<challenge>"'),
        (r'"(10\.\d+\.\d+\.\d+)"', '"<network>"'),
    ):
        text = re.sub(pattern, name, text)
    masked: dict[str, Any] = json.loads(text)
    return masked


@pytest.mark.parametrize("name", NAMES)
def test_each_topic_holds_what_its_golden_file_says(name: str, records: Records) -> None:
    golden = GOLDEN / f"{name}.json"
    told = json.dumps(records[name], indent=2) + "\n"
    if os.environ.get("WRITE_GOLDEN"):
        golden.write_text(told)
    assert records[name], "nothing was produced"
    assert told == golden.read_text()


def test_the_versions_of_one_account_rise_by_one_across_its_topics(records: Records) -> None:
    versions = [
        record["value"]["account_version"] for topic in LIFECYCLE for record in records[topic.name]
    ]
    assert sorted(versions) == list(range(1, len(versions) + 1))


def test_what_is_gone_with_the_person_is_gone_from_the_outbox_too(
    records: Records, corner: Corner
) -> None:
    [deleted] = records["user_deleted"]
    assert deleted["value"].keys() == {"version", "user_id", "account_version", "deleted_at"}
    erased = [row["payload"] for row in corner.rows("SELECT payload FROM outbox WHERE erase")]
    assert erased
    assert not [payload for payload in erased if "@" in payload or "Ann" in payload]
