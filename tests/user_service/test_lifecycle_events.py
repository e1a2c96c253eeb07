"""What other services tell of our users: only name and status follow, once, and never backwards."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person, log_in, member
from tests.service_process import ServiceProcess
from tests.user_service.accounts import settled
from tests.user_service.neighbour import OTHER_SOURCE, SOURCE, STRANGER, Decisions, Neighbour
from tests.worker_process import WorkerProcess

pytestmark = pytest.mark.anyio


async def at_home(service: ServiceProcess, person: Person) -> dict[str, Any]:
    """What a login answers."""
    async with service.client() as client:
        answer = await log_in(client, person)
        assert answer.status_code == 200, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data


async def row_of(corner: Corner, user_id: str) -> dict[str, Any]:
    [row] = await corner.fetch("SELECT * FROM accounts WHERE id = $1", uuid.UUID(user_id))
    return dict(row)


async def own_events(corner: Corner, user_id: str) -> int:
    return len(await corner.fetch("SELECT FROM outbox WHERE key = $1", user_id))


def ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


async def test_a_deactivated_user_is_out_within_a_second(
    service: ServiceProcess,
    mailroom: Mailroom,
    worker: WorkerProcess,
    neighbour: Neighbour,
) -> None:
    person = await member(service, mailroom)
    data = await at_home(service, person)
    async with service.client(Authorization=f"Bearer {data['token']}") as client:
        assert (await client.get("/api/auth/profile")).status_code == 200
        neighbour.deactivate(data["user"]["id"])
        neighbour.arrive()
        began = time.monotonic()
        while (await client.get("/api/auth/profile")).status_code == 200:
            assert time.monotonic() - began < 1.0
            await asyncio.sleep(0.01)
        print(f"refused after {time.monotonic() - began:.3f} s")
        refreshed = await client.post(
            "/api/auth/refresh", json={"refresh_token": data["refresh_token"]}
        )
        assert refreshed.status_code == 401
        assert (await log_in(client, person)).status_code == 401


async def test_only_the_name_follows_and_nothing_is_sent_out_again(
    service: ServiceProcess,
    mailroom: Mailroom,
    corner: Corner,
    worker: WorkerProcess,
    neighbour: Neighbour,
) -> None:
    data = await at_home(service, await member(service, mailroom))
    user_id = data["user"]["id"]
    before, told = await row_of(corner, user_id), await own_events(corner, user_id)
    applied = Decisions.of(worker, "applied")
    hostile = {
        "user_id": user_id,
        "id": str(uuid.uuid4()),
        "name": "Ann Newname",
        "email": "thief@example.org",
        "username": "thief",
        "password": "another password",
        "password_hash": "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAA",
        "role": "admin",
        "status": "disabled",
        "epoch": 99,
        "version": 7,
        "account_version": 10**9,
        "session_ids": [],
    }
    neighbour.tell("user_updated", hostile)
    await applied.reach(1)
    assert await row_of(corner, user_id) == before | {"name": "Ann Newname"}
    assert await own_events(corner, user_id) == told
    [entry] = await corner.fetch(
        "SELECT actor, actor_id, outcome, address FROM audit"
        " WHERE account_id = $1 AND action = 'profile_updated'",
        uuid.UUID(user_id),
    )
    assert tuple(entry) == ("service", SOURCE, "done", None)
    async with service.client(Authorization=f"Bearer {data['token']}") as client:
        answer = await client.get("/api/auth/profile")
    assert answer.json()["data"]["user"]["name"] == "Ann Newname"

    neighbour.deactivate(user_id)
    await applied.reach(2)
    assert await row_of(corner, user_id) == before | {"name": "Ann Newname", "status": "disabled"}
    assert await own_events(corner, user_id) == told
    assert "Newname" not in worker.log


async def test_an_event_counts_once_from_each_source(
    service: ServiceProcess,
    mailroom: Mailroom,
    corner: Corner,
    worker: WorkerProcess,
    neighbour: Neighbour,
) -> None:
    user_id = (await at_home(service, await member(service, mailroom)))["user"]["id"]
    applied, repeated = Decisions.of(worker, "applied"), Decisions.of(worker, "repeated")
    id = str(uuid.uuid4())
    neighbour.rename(user_id, "First", id=id)
    await applied.reach(1)
    neighbour.rename(user_id, "Second", id=id)
    await repeated.reach(1)
    assert (await row_of(corner, user_id))["name"] == "First"
    neighbour.rename(user_id, "Third", id=id, source=OTHER_SOURCE)
    await applied.reach(2)
    assert (await row_of(corner, user_id))["name"] == "Third"


async def test_nothing_older_than_the_last_change_is_applied_be_it_theirs_or_ours(
    service: ServiceProcess,
    mailroom: Mailroom,
    corner: Corner,
    worker: WorkerProcess,
    neighbour: Neighbour,
) -> None:
    data = await at_home(service, await member(service, mailroom))
    user_id = data["user"]["id"]
    applied, outdated = Decisions.of(worker, "applied"), Decisions.of(worker, "outdated")
    neighbour.rename(user_id, "Newer", at=ago(60))
    await applied.reach(1)
    neighbour.rename(user_id, "Older", at=ago(61), source=OTHER_SOURCE)
    await outdated.reach(1)
    assert (await row_of(corner, user_id))["name"] == "Newer"

    async with service.client(Authorization=f"Bearer {data['token']}") as client:
        answer = await client.patch("/api/auth/profile", json={"name": "My Own"})
        assert answer.status_code == 200, answer.text
    neighbour.rename(user_id, "Late", at=ago(30))
    await outdated.reach(2)
    assert (await row_of(corner, user_id))["name"] == "My Own"

    # Of another kind, so it is not too late.
    neighbour.deactivate(user_id, at=ago(3600))
    await applied.reach(2)
    assert (await row_of(corner, user_id))["status"] == "disabled"


async def test_of_changes_of_one_moment_the_last_one_counts(
    corner: Corner, worker: WorkerProcess, neighbour: Neighbour
) -> None:
    [user_id] = await settled(corner, 1)
    applied, moment = Decisions.of(worker, "applied"), ago(5)
    for number in range(100):
        neighbour.rename(user_id, f"Name {number}", at=moment)
    await applied.reach(100)
    assert (await row_of(corner, user_id))["name"] == "Name 99"


async def test_what_is_not_from_a_listed_source_is_skipped_and_no_dead_letter(
    service: ServiceProcess,
    mailroom: Mailroom,
    corner: Corner,
    worker: WorkerProcess,
    neighbour: Neighbour,
) -> None:
    data = await at_home(service, await member(service, mailroom))
    user_id = data["user"]["id"]
    skipped, dead = Decisions.of(worker, "skipped"), Decisions.of(worker, "dead")
    for source in (STRANGER, "gatepost/user-service", SOURCE.upper(), f"{SOURCE}/", "CRM"):
        neighbour.deactivate(user_id, source=source)
        neighbour.rename(user_id, "Mallory", source=source)
        neighbour.tell("user_updated", ["no event"], source=source)
    await skipped.reach(15, exactly=False)  # an event of our own may come by meanwhile
    assert dead.count == 0
    row = await row_of(corner, user_id)
    assert (row["name"], row["status"]) == (data["user"]["name"], "active")
    told = [line["source"] for line in worker.lines if line["event"] == "event_skipped"]
    assert STRANGER in told
    assert "gatepost/user-service" not in told  # each event of ours comes by


async def test_events_about_deleted_users_are_passed_over_and_about_nobody_put_aside(
    service: ServiceProcess,
    mailroom: Mailroom,
    corner: Corner,
    worker: WorkerProcess,
    neighbour: Neighbour,
) -> None:
    person = await member(service, mailroom)
    data = await at_home(service, person)
    async with service.client(Authorization=f"Bearer {data['token']}") as client:
        request = httpx.Request(
            "DELETE",
            f"{service.url}/api/auth/profile",
            json={"password": person.password},
            headers=client.headers,
        )
        assert (await client.send(request)).status_code == 200
    deleted, dead = Decisions.of(worker, "deleted"), Decisions.of(worker, "dead")
    neighbour.rename(data["user"]["id"], "Back Again")
    neighbour.deactivate(data["user"]["id"])
    neighbour.deactivate(str(uuid.uuid4()))
    await deleted.reach(2)
    await dead.reach(1)
    assert not await corner.fetch(
        "SELECT FROM accounts WHERE id = $1", uuid.UUID(data["user"]["id"])
    )


async def test_a_thousand_events_shuffled_and_doubled_end_in_the_newest_of_each_kind(
    corner: Corner, worker: WorkerProcess, neighbour: Neighbour
) -> None:
    users, chance = await settled(corner, 50), random.Random(7)
    events: list[tuple[str, dict[str, str], dict[str, Any]]] = []
    newest: dict[str, str] = {}
    for number in range(1000):
        user, more = users[number % 50], {"id": str(uuid.uuid4()), "at": ago(4000 - number)}
        if number % 50 < 10 and number % 100 < 50:
            events.append(("user_deactivated", {"user_id": user}, more))
        else:
            newest[user] = f"Name {number}"
            events.append(("user_updated", {"user_id": user, "name": newest[user]}, more))
    events *= 2
    chance.shuffle(events)
    decided = [Decisions.of(worker, name) for name in ("applied", "outdated", "repeated")]
    began = time.monotonic()
    for topic, event, more in events:
        neighbour.tell(topic, event, **more)
    while sum(each.count for each in decided) < len(events):
        assert time.monotonic() - began < 60
        await asyncio.sleep(0.1)
    print(f"{len(events) / (time.monotonic() - began):.0f} events a second")
    assert decided[-1].count == 1000
    rows = {
        str(row["id"]): row
        for row in await corner.fetch("SELECT * FROM accounts WHERE id = ANY($1::uuid[])", users)
    }
    assert {user: row["name"] for user, row in rows.items()} == newest
    disabled = {user for user, row in rows.items() if row["status"] == "disabled"}
    assert disabled == set(users[:10])


async def test_without_sources_nothing_is_taken_in(corner: Corner) -> None:
    with WorkerProcess.started(corner.variables) as worker:
        worker.come_up()
        assert "gatepost_foreign_events" not in worker.metrics()
        assert await worker.stop() < 5
