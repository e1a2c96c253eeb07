"""Asking for a code, and setting another password with it or with the link of its mail."""

from __future__ import annotations

import httpx
import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person, log_in, member, outcome, wrong
from tests.recoveries import (
    NEW_PASSWORD,
    ask_to_recover,
    recover,
    recovered,
    reset,
    reset_by_link,
)
from tests.service_process import ServiceProcess
from tests.user_service.ledger import audited, id_of, told
from tests.user_service.time_travel import let_pass

pytestmark = pytest.mark.anyio

EXPIRED = (410, "code_expired")
WRONG = (400, "wrong_code")
OTHER_PASSWORD = "copper lantern drizzle"


async def profile(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.get("/api/auth/profile", headers={"authorization": f"Bearer {token}"})


async def test_a_code_sets_another_password_and_the_old_one_is_dead(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        asked = await ask_to_recover(client, person)
        started = asked.json()["data"]
        assert (asked.status_code, started["expires_in"], started["resend_in"]) == (202, 600, 60)
        recovery_id = started["recovery_id"]
        assert (await log_in(client, person)).status_code == 200  # nothing has happened yet
        answer = await reset(client, person, recovery_id, mailroom.code(recovery_id))
        assert answer.status_code == 200
        assert answer.json()["data"] is None  # no session is opened by it
        assert "set-cookie" not in answer.headers
        assert outcome(await log_in(client, person)) == (401, "wrong_credentials")
        person.password = NEW_PASSWORD
        assert (await log_in(client, person)).status_code == 200


async def test_a_link_does_the_same(service: ServiceProcess, mailroom: Mailroom) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        recovery_id = await recover(client, person)
        token = mailroom.link_token(recovery_id)
        assert token.startswith(f"{recovery_id}.")
        assert (await reset_by_link(client, person, token)).status_code == 200
        assert outcome(await log_in(client, person)) == (401, "wrong_credentials")
        person.password = NEW_PASSWORD
        assert (await log_in(client, person)).status_code == 200


async def test_every_session_ends_and_the_owner_is_told(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        opened = [(await log_in(client, person)).json()["data"] for _ in range(3)]
        await recovered(client, mailroom, person)
        for each in opened:
            assert outcome(await profile(client, each["token"])) == (401, "token_rejected")
            refreshed = await client.post(
                "/api/auth/refresh", json={"refresh_token": each["refresh_token"]}
            )
            assert outcome(refreshed) == (401, "refresh_token_rejected")
        fresh = (await log_in(client, person)).json()["data"]["token"]
        assert (await profile(client, fresh)).status_code == 200
    id = await id_of(corner, person.email)
    events = await told(corner, id)
    assert [event["topic"] for event in events] == [
        "user_registered",
        *["user_logged_in"] * 3,
        "password_reset_requested",
        "password_reset_completed",
        "send-notice",
        "sessions_revoked",
        "user_logged_in",
    ]
    (notice,) = [event for event in events if event["topic"] == "send-notice"]
    assert (notice["email"], notice["address"]) == ("password-changed", person.email)
    (revoked,) = [event for event in events if event["topic"] == "sessions_revoked"]
    assert len(revoked["session_ids"]) == 3
    versions = [event["account_version"] for event in events if event is not notice]
    assert versions == list(range(1, len(versions) + 1))
    assert (await audited(corner, id))[-4:] == [
        ("password_reset_requested", "done"),
        ("password_reset", "done"),
        ("sessions_ended", "done"),
        ("logged_in", "done"),
    ]


async def test_the_same_request_succeeds_again_and_changes_nothing(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        recovery_id = await recover(client, person)
        code, token = mailroom.code(recovery_id), mailroom.link_token(recovery_id)
        assert (await reset(client, person, recovery_id, code)).status_code == 200
        person.password = NEW_PASSWORD
        session = (await log_in(client, person)).json()["data"]["token"]
        id = await id_of(corner, person.email)
        before = await told(corner, id)
        for _ in range(3):
            assert (await reset(client, person, recovery_id, code)).status_code == 200
            assert (await reset_by_link(client, person, token)).status_code == 200
        assert (await profile(client, session)).status_code == 200
        assert await told(corner, id) == before
        let_pass(corner, 599)
        assert (await reset(client, person, recovery_id, code)).status_code == 200
        let_pass(corner, 2)
        assert outcome(await reset(client, person, recovery_id, code)) == EXPIRED


async def test_a_used_code_sets_no_other_password_and_ends_at_the_first_try(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    """Nor is it a place to try out passwords at, past the throttle of logins."""
    person = await member(service, mailroom)
    async with service.client() as client:
        recovery_id = await recover(client, person)
        code, token = mailroom.code(recovery_id), mailroom.link_token(recovery_id)
        assert (await reset_by_link(client, person, token)).status_code == 200
        other = await reset(client, person, recovery_id, code, OTHER_PASSWORD)
        assert outcome(other) == EXPIRED
        assert outcome(await reset(client, person, recovery_id, code)) == EXPIRED
        assert outcome(await reset_by_link(client, person, token)) == EXPIRED
        person.password = OTHER_PASSWORD
        assert outcome(await log_in(client, person)) == (401, "wrong_credentials")
        person.password = NEW_PASSWORD
        assert (await log_in(client, person)).status_code == 200


async def test_a_code_lives_ten_minutes_and_its_link_no_longer(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    early, late = await member(service, mailroom), await member(service, mailroom)
    async with service.client() as client:
        ids = [await recover(client, person) for person in (early, late)]
        codes = [mailroom.code(id) for id in ids]
        let_pass(corner, 597)
        assert (await reset(client, early, ids[0], codes[0])).status_code == 200
        let_pass(corner, 4)
        assert outcome(await reset(client, late, ids[1], codes[1])) == EXPIRED
        by_link = await reset_by_link(client, late, mailroom.link_token(ids[1]))
        assert outcome(by_link) == EXPIRED
        assert (await log_in(client, late)).status_code == 200


async def test_a_refused_password_costs_neither_code_nor_guess(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = await member(service, mailroom)
    local = person.email.partition("@")[0]
    async with service.client() as client:
        recovery_id = await recover(client, person)
        code = mailroom.code(recovery_id)
        for weak in ["short", "password123", person.email, local, "x" * 129] * 2:
            answer = await reset(client, person, recovery_id, code, weak)
            assert outcome(answer) == (400, "invalid_request")
            assert [error["field"] for error in answer.json()["errors"]] == ["new_password"]
        by_link = await reset_by_link(client, person, mailroom.link_token(recovery_id), local)
        assert outcome(by_link) == (400, "invalid_request")
        assert (await reset(client, person, recovery_id, code)).status_code == 200


async def test_nobodys_name_is_their_password_and_only_the_right_code_tells_so(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = await member(service, mailroom, name="Ottoline Featherstonehaugh")
    async with service.client() as client:
        recovery_id = await recover(client, person)
        code = mailroom.code(recovery_id)
        guessed = await reset(client, person, recovery_id, wrong(code), person.name)
        assert outcome(guessed) == WRONG
        for name in (person.name, person.name.split()[1].lower()):
            answer = await reset(client, person, recovery_id, code, name)
            assert outcome(answer) == (400, "invalid_request")
            assert [error["field"] for error in answer.json()["errors"]] == ["new_password"]
        assert (await log_in(client, person)).status_code == 200
        assert (await reset(client, person, recovery_id, code)).status_code == 200


async def test_an_account_without_a_password_gets_one(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    await corner.fetch("UPDATE accounts SET password_hash = NULL WHERE email = $1", person.email)
    async with service.client() as client:
        assert outcome(await log_in(client, person)) == (401, "wrong_credentials")
        await recovered(client, mailroom, person)
        assert (await log_in(client, person)).status_code == 200


async def test_a_throttled_person_recovers_and_logs_in_at_once(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = await member(service, mailroom)
    mistaken = Person(email=person.email, password="not my password", network=person.network)
    async with service.client() as client:
        for _ in range(6):
            throttled = await log_in(client, mistaken)
        assert outcome(throttled) == (429, "too_many_requests")
        await recovered(client, mailroom, person)
        assert (await log_in(client, person)).status_code == 200  # and needs to wait no more


async def test_asking_again_opens_another_recovery_and_both_work_until_one_is_used(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        first = await recover(client, person)
        let_pass(corner, 60)
        second = await recover(client, person)
        assert outcome(await reset(client, person, second, wrong(mailroom.code(second)))) == WRONG
        assert (await reset(client, person, first, mailroom.code(first))).status_code == 200
        late = await reset(client, person, second, mailroom.code(second), OTHER_PASSWORD)
        assert outcome(late) == EXPIRED
        person.password = NEW_PASSWORD
        assert (await log_in(client, person)).status_code == 200
