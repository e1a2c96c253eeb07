"""An administrator disables, enables, forces a reset, ends sessions and deletes."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import log_in, outcome, sign_in
from tests.service_process import ServiceProcess
from tests.user_service.admins import (
    USERS,
    account,
    admin,
    audited,
    events_of,
    is_dead,
)

pytestmark = pytest.mark.anyio

VERBS = [
    ("POST", "/disable"),
    ("POST", "/enable"),
    ("POST", "/force-password-reset"),
    ("DELETE", "/sessions"),
    ("DELETE", ""),
]
SHUTTING = [verb for verb in VERBS if verb[1] not in ("/enable", "/sessions")]


async def test_a_disabled_user_is_out_at_once_and_back_after_enable(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    boss = await admin(service, mailroom, corner)
    user = await account(service, mailroom)
    async with service.client() as client:
        answer = await client.post(f"{USERS}/{user.id}/disable", headers=boss.headers)
        assert answer.status_code == 200
        assert answer.json()["data"]["user"]["status"] == "disabled"
        assert await is_dead(client, user.tokens)
        assert outcome(await log_in(client, user.person)) == (401, "wrong_credentials")

        answer = await client.post(f"{USERS}/{user.id}/enable", headers=boss.headers)
        assert answer.json()["data"]["user"]["status"] == "active"
        assert await is_dead(client, user.tokens)  # what has ended stays ended
        assert (await log_in(client, user.person)).status_code == 200
    assert await events_of(corner, user.id) == [
        "user_registered",
        "user_logged_in",
        "user_deactivated",
        "sessions_revoked",
        "user_updated",
        "user_logged_in",
    ]
    by = ("admin", boss.id, boss.person.network)
    assert (await audited(corner, user.id))[2:5] == [
        ("disabled", *by),
        ("sessions_ended", *by),
        ("enabled", *by),
    ]


async def test_after_a_forced_reset_no_password_is_right_and_the_owner_is_told(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    boss = await admin(service, mailroom, corner)
    user = await account(service, mailroom)
    async with service.client() as client:
        answer = await client.post(f"{USERS}/{user.id}/force-password-reset", headers=boss.headers)
        assert answer.status_code == 200
        assert answer.json()["data"]["user"]["has_password"] is False
        assert await is_dead(client, user.tokens)
        assert outcome(await log_in(client, user.person)) == (401, "wrong_credentials")
    assert await events_of(corner, user.id) == [
        "user_registered",
        "user_logged_in",
        "password_reset_requested",
        "send-notice",
        "sessions_revoked",
    ]
    ((notice,),) = await corner.fetch(
        "SELECT payload::jsonb ->> 'email' FROM outbox WHERE key = $1 AND topic = 'send-notice'",
        user.id,
    )
    assert notice == "password-reset-required"
    assert ("password_withdrawn", "admin", boss.id, boss.person.network) in await audited(
        corner, user.id
    )


async def test_an_administrator_cannot_set_a_password(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    boss = await admin(service, mailroom, corner)
    user = await account(service, mailroom)
    async with service.client() as client:
        for method, path in (("PATCH", ""), ("PUT", ""), ("POST", ""), ("POST", "/password")):
            answer = await client.request(
                method,
                f"{USERS}/{user.id}{path}",
                json={"password": "chosen by the boss", "role": "admin"},
                headers=boss.headers,
            )
            assert answer.status_code in (404, 405)
        # What a body says is nobody's business: no verb reads one.
        answer = await client.post(
            f"{USERS}/{user.id}/enable",
            json={"password": "chosen by the boss", "role": "admin", "status": "disabled"},
            headers=boss.headers,
        )
        assert answer.json()["data"]["user"]["role"] == "user"
        assert (await log_in(client, user.person)).status_code == 200


async def test_ended_sessions_are_dead_and_the_password_still_opens_new_ones(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    boss = await admin(service, mailroom, corner)
    user = await account(service, mailroom)
    async with service.client() as client:
        second = await sign_in(client, user.person)
        answer = await client.delete(f"{USERS}/{user.id}/sessions", headers=boss.headers)
        assert (answer.status_code, answer.json()["data"]) == (200, {"ended": 2})
        assert await is_dead(client, user.tokens)
        assert await is_dead(client, second)
        assert (await log_in(client, user.person)).status_code == 200
        assert not await is_dead(client, boss.tokens)


async def test_a_deleted_account_leaves_nothing_of_its_owner_but_what_was_done_to_it(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    boss = await admin(service, mailroom, corner)
    user = await account(service, mailroom)
    async with service.client() as client:
        answer = await client.delete(f"{USERS}/{user.id}", headers=boss.headers)
        assert (answer.status_code, answer.json()["data"]) == (200, None)
        assert await is_dead(client, user.tokens)
        again = await client.delete(f"{USERS}/{user.id}", headers=boss.headers)
        assert outcome(again) == (404, "no_such_user")
    for table, column in (("accounts", "id"), ("sessions", "account_id")):
        assert not await corner.fetch(f"SELECT FROM {table} WHERE {column} = $1::uuid", user.id)
    assert (await events_of(corner, user.id))[-2:] == ["user_deleted", "send-notice"]
    entries = await audited(corner, user.id)
    assert entries[-1] == ("deleted", "admin", boss.id, boss.person.network)
    # Where the owner came from is forgotten, where the administrator came from is not.
    assert {address for _, actor, _, address in entries if actor == "self"} == {None}


@pytest.mark.parametrize(("method", "path"), VERBS)
async def test_a_verb_that_changes_nothing_is_no_event_and_no_entry(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner, method: str, path: str
) -> None:
    boss = await admin(service, mailroom, corner)
    user = await account(service, mailroom)
    async with service.client() as client:
        url = f"{USERS}/{user.id}{path}"
        first = await client.request(method, url, headers=boss.headers)
        assert first.status_code == 200
        events, entries = await events_of(corner, user.id), await audited(corner, user.id)
        second = await client.request(method, url, headers=boss.headers)
        assert second.status_code == (200 if path else 404)
    assert await events_of(corner, user.id) == events
    assert await audited(corner, user.id) == entries


@pytest.mark.parametrize(("method", "path"), SHUTTING)
async def test_an_administrator_cannot_shut_the_own_account(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner, method: str, path: str
) -> None:
    boss = await admin(service, mailroom, corner)
    async with service.client() as client:
        answer = await client.request(method, f"{USERS}/{boss.id}{path}", headers=boss.headers)
        assert outcome(answer) == (409, "own_account")
        assert not await is_dead(client, boss.tokens)
        assert (await log_in(client, boss.person)).status_code == 200


@pytest.mark.parametrize(("method", "path"), VERBS)
async def test_verbs_know_no_user_but_by_id(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner, method: str, path: str
) -> None:
    boss = await admin(service, mailroom, corner)
    async with service.client() as client:
        unknown = await client.request(method, f"{USERS}/{uuid4()}{path}", headers=boss.headers)
        assert outcome(unknown) == (404, "no_such_user")
        for id in ("1", "me", "'; DROP TABLE accounts; --", "%25", boss.person.email):
            answer = await client.request(method, f"{USERS}/{id}{path}", headers=boss.headers)
            assert answer.status_code in (400, 404), answer.text
            assert answer.json()["code"] != "no_such_user"


@pytest.mark.parametrize(("method", "path"), VERBS)
async def test_what_postgres_does_not_commit_leaves_neither_entry_nor_event(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner, method: str, path: str
) -> None:
    """The last of the verb's statements fails: a trigger refuses the entry in the audit."""
    boss = await admin(service, mailroom, corner)
    user = await account(service, mailroom)
    async with service.client() as client:
        if path == "/enable":
            await client.post(f"{USERS}/{user.id}/disable", headers=boss.headers)
        before = await _everything_about(corner, user.id)
        await corner.fetch(
            """
            CREATE FUNCTION out_of_space() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE 'no space' USING ERRCODE = 'disk_full'; END $$
            """
        )
        await corner.fetch(
            """
            CREATE CONSTRAINT TRIGGER full_disk AFTER INSERT ON audit
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION out_of_space()
            """
        )
        try:
            answer = await client.request(method, f"{USERS}/{user.id}{path}", headers=boss.headers)
        finally:
            await corner.fetch("DROP TRIGGER full_disk ON audit")
            await corner.fetch("DROP FUNCTION out_of_space()")
    assert answer.status_code == 503, answer.text
    assert await _everything_about(corner, user.id) == before


async def _everything_about(corner: Corner, id: str) -> list[object]:
    account = "SELECT * FROM accounts WHERE id = $1::uuid"
    live = "SELECT id FROM sessions WHERE account_id = $1::uuid AND ended_at IS NULL"
    return [
        await corner.fetch(account, id),
        await corner.fetch(live, id),
        await events_of(corner, id),
        await audited(corner, id),
    ]


@pytest.mark.parametrize("path", ["/disable", "/force-password-reset", ""])
async def test_logins_that_race_with_a_shutting_verb_leave_no_live_session(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner, path: str
) -> None:
    boss = await admin(service, mailroom, corner)
    user = await account(service, mailroom)
    method = "POST" if path else "DELETE"
    async with service.client() as client:
        logins = [asyncio.create_task(log_in(client, user.person)) for _ in range(20)]
        await asyncio.sleep(0.02)  # amid them, not before
        shut = await client.request(method, f"{USERS}/{user.id}{path}", headers=boss.headers)
        assert shut.status_code == 200
        answers = await asyncio.gather(*logins)
        assert {answer.status_code for answer in answers} <= {200, 401, 429, 503}
        for answer in answers:
            if answer.status_code == 200:
                headers = {"authorization": f"Bearer {answer.json()['data']['token']}"}
                profile = await client.get("/v1/me", headers=headers)
                assert profile.status_code == 401
    live = await corner.fetch(
        "SELECT FROM sessions WHERE account_id = $1::uuid AND ended_at IS NULL", user.id
    )
    assert live == []
    last = (
        await corner.fetch(
            "SELECT action FROM audit WHERE account_id = $1::uuid ORDER BY id DESC LIMIT 1", user.id
        )
    )[0]["action"]
    assert last in ("sessions_ended", "deleted")


async def test_of_two_administrators_who_disable_each_other_one_comes_too_late(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    for _ in range(5):
        one, other = [await admin(service, mailroom, corner) for _ in range(2)]
        async with service.client() as client:
            answers = await asyncio.gather(
                client.post(f"{USERS}/{other.id}/disable", headers=one.headers),
                client.post(f"{USERS}/{one.id}/disable", headers=other.headers),
            )
        assert sorted(outcome(answer) for answer in answers) == [
            (200, ""),
            (401, "token_rejected"),
        ]
