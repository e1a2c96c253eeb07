"""The audit tells who did what to which account, from where, with what outcome, and no secrets."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person, log_in, sign_in
from tests.service_process import ServiceProcess
from tests.user_service.admins import AUDIT, USERS, Account, account, admin, audited
from tests.worker_process import WorkerProcess

pytestmark = pytest.mark.anyio

NEW_PASSWORD = "copper lantern drizzle"


async def entries(client: httpx.AsyncClient, boss: Account, **query: Any) -> list[dict[str, Any]]:
    answer = await client.get(AUDIT, params=query, headers=boss.headers)
    assert answer.status_code == 200, answer.text
    listed: list[dict[str, Any]] = answer.json()["data"]["entries"]
    return listed


async def live_through(client: httpx.AsyncClient, user: Account) -> list[str]:
    """Something of everything that is one's own to do; what was secret in it."""
    post = client.post
    wrong = {"current_password": "not this one", "new_password": NEW_PASSWORD}
    right = {"current_password": user.person.password, "new_password": NEW_PASSWORD}
    answers = [
        await client.patch("/api/auth/profile", json={"name": "Ann New"}, headers=user.headers),
        await post("/api/auth/change-password", json=wrong, headers=user.headers),
        await post("/api/auth/change-password", json=right, headers=user.headers),
        await post("/api/auth/password-recovery", json={"email": user.person.email},
                   headers=user.headers),
    ]  # fmt: skip
    assert [answer.status_code for answer in answers] == [200, 403, 200, 202]
    again = Person(email=user.person.email, password=NEW_PASSWORD, network=user.person.network)
    tokens = await sign_in(client, again)
    first = await post("/api/auth/refresh", json={"refresh_token": tokens.refresh})
    return [
        *(user.person.password, NEW_PASSWORD, "not this one", user.person.email, "Ann New"),
        *(user.tokens.access, user.tokens.refresh, tokens.access, tokens.refresh),
        *(first.json()["data"]["token"], first.json()["data"]["refresh_token"]),
        *(user.person.email.split("@")[0], "example.org"),
    ]


async def test_it_tells_who_did_what_from_where_and_how_it_ended(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    boss = await admin(service, mailroom, corner)
    user = await account(service, mailroom)
    async with service.client() as client:
        secrets = await live_through(client, user)
        assert (await client.get(f"{USERS}/{user.id}", headers=boss.headers)).status_code == 200
        told = await entries(client, boss, account_id=user.id)
        assert [(entry["action"], entry["outcome"]) for entry in reversed(told)] == [
            ("registered", "done"),
            ("logged_in", "done"),
            ("profile_updated", "done"),
            ("password_refused", "refused"),
            ("password_changed", "done"),
            ("password_reset_requested", "done"),
            ("logged_in", "done"),
            ("inspected", "done"),
        ]
        *own, inspected = reversed(told)
        assert {(e["actor"], e["actor_id"], e["address"]) for e in own} == {
            ("self", None, user.person.network)
        }
        assert (inspected["actor"], inspected["actor_id"]) == ("admin", boss.id)
        assert inspected["address"] == boss.person.network
        assert {entry["account_id"] for entry in told} == {user.id}
        # Who read it stands there too.
        (newest, *_) = await entries(client, boss, account_id=user.id)
        assert (newest["action"], newest["actor_id"]) == ("audit_read", boss.id)
        written = str(
            await corner.fetch("SELECT audit::text FROM audit WHERE account_id = $1", user.id)
        )
        assert [secret for secret in secrets if secret in written] == []


async def test_pages_of_the_audit_show_every_entry_once_newest_first(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    boss = await admin(service, mailroom, corner)
    user = await account(service, mailroom)
    await corner.fetch(
        "INSERT INTO audit (account_id, actor, action, outcome)"
        " SELECT $1::uuid, 'system', 'logged_in', 'done' FROM generate_series(1, 8)",
        user.id,
    )
    ids = await corner.fetch(
        "SELECT id FROM audit WHERE account_id = $1::uuid ORDER BY id DESC", user.id
    )
    seen: list[int] = []
    query: dict[str, Any] = {"account_id": user.id, "limit": 3}
    async with service.client() as client:
        while True:
            answer = await client.get(AUDIT, params=query, headers=boss.headers)
            page = answer.json()["data"]
            seen += [entry["id"] for entry in page["entries"]]
            if page["next"] is None:
                break
            query["after"] = page["next"]
        assert seen == [row["id"] for row in ids]
        everything = await entries(client, boss, limit=100)
        assert len({entry["account_id"] for entry in everything}) > 1
        listed = [entry["id"] for entry in everything]
        assert listed == sorted(listed, reverse=True)


async def test_an_inspection_shows_live_sessions_and_the_newest_entries(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    boss = await admin(service, mailroom, corner)
    user = await account(service, mailroom)
    async with service.client(**{"user-agent": "Firefox/147"}) as client:
        ended = await sign_in(client, user.person)
        await client.post("/api/auth/logout", headers=ended.headers)
        await sign_in(client, user.person)
        answer = await client.get(f"{USERS}/{user.id}", headers=boss.headers)
        data = answer.json()["data"]
        assert data["sessions"][0]["device"] == "Firefox/147"
        assert len(data["sessions"]) == 2
        assert data["sessions"][0]["address"] == user.person.network
        assert [entry["action"] for entry in data["audit"]] == [
            "logged_in", "sessions_ended", "logged_in", "logged_in", "registered",
        ]  # fmt: skip
        assert data["user"]["has_password"] is True
        for secret in ("hash", "digest", "argon2", "secret", user.tokens.refresh):
            assert secret not in answer.text


async def test_entries_that_are_too_old_are_swept_and_no_others(corner: Corner) -> None:
    await corner.fetch(
        """
        INSERT INTO audit (at, actor, action, outcome, detail)
        SELECT now() - age, 'system', 'logged_in', 'done', detail FROM (VALUES
            (interval '8 days', 'to be swept'), ('6 days 23 hours', 'kept'), ('0 days', 'kept')
        ) AS entry (age, detail)
        """
    )
    with WorkerProcess.started(corner.variables, AUDIT_DAYS="7") as worker:
        worker.come_up()
        deadline = time.monotonic() + 10
        while await corner.fetch("SELECT FROM audit WHERE detail = 'to be swept'"):
            assert time.monotonic() < deadline, worker.log
            await asyncio.sleep(0.05)
        assert len(await corner.fetch("SELECT FROM audit WHERE detail = 'kept'")) == 2


async def test_a_login_that_is_not_committed_is_not_in_the_audit(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    """The outbox cannot be written, after the session was and before the entry would be."""
    user = await account(service, mailroom)
    before = await audited(corner, user.id)
    await corner.fetch("ALTER TABLE outbox RENAME TO outbox_elsewhere")
    try:
        async with service.client() as client:
            assert (await log_in(client, user.person)).status_code == 503
    finally:
        await corner.fetch("ALTER TABLE outbox_elsewhere RENAME TO outbox")
    assert await audited(corner, user.id) == before
