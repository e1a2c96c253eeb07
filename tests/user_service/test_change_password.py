"""Changing a password takes the present one, and ends whatever the old one had opened."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx
import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person, SignedIn, fresh_network, log_in, member, outcome, sign_in
from tests.service_process import ServiceProcess
from tests.user_service.barrage import Shot, at_once
from tests.user_service.ledger import audited, held, id_of, told
from tests.user_service.time_travel import let_pass

pytestmark = pytest.mark.anyio

CHANGE = "/api/auth/change-password"
NEW = "velvet anchor ninety"
GUESS = "copper willow eleven"
WRONG = (403, "wrong_password")
WAIT = (429, "too_many_requests")
REJECTED = (401, "token_rejected")


async def change(
    client: httpx.AsyncClient, person: Person, tokens: SignedIn, new: str = NEW, **fields: str
) -> httpx.Response:
    body = {"current_password": person.password, "new_password": new, **fields}
    headers = {**tokens.headers, "x-forwarded-for": person.network}
    return await client.post(CHANGE, json=body, headers=headers)


async def lives(client: httpx.AsyncClient, tokens: SignedIn) -> bool:
    profile = await client.get("/api/auth/profile", headers=tokens.headers)
    refresh = await client.post("/api/auth/refresh", json={"refresh_token": tokens.refresh})
    assert {profile.status_code, refresh.status_code} in ({200}, {401})
    return profile.status_code == 200


async def test_the_new_password_counts_the_old_one_is_dead_and_only_this_session_lives(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        others = [await sign_in(client, person) for _ in range(2)]
        tokens = await sign_in(client, person)
        answer = await change(client, person, tokens)
        assert (answer.status_code, answer.json()["data"]) == (200, None)
        assert [await lives(client, each) for each in (tokens, *others)] == [True, False, False]
        assert outcome(await log_in(client, person)) == (401, "wrong_credentials")
        person.password = NEW
        assert (await log_in(client, person)).status_code == 200


async def test_the_owner_is_told_and_so_are_other_services(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        await sign_in(client, person)
        await change(client, person, await sign_in(client, person))
    id = await id_of(corner, person.email)
    changed, notice, revoked = (await told(corner, id))[-3:]
    topics = [event["topic"] for event in (changed, notice, revoked)]
    assert topics == ["password_changed", "send-notice", "sessions_revoked"]
    assert (notice["email"], notice["address"]) == ("password-changed", person.email)
    assert changed["account_version"] + 1 == revoked["account_version"]
    assert len(revoked["session_ids"]) == 1
    entries = await audited(corner, id)
    assert entries[-2:] == [("password_changed", "done"), ("sessions_ended", "done")]
    text = str(await told(corner, id))
    assert person.password not in text
    assert NEW not in text


async def test_changes_to_and_fro_do_not_bury_other_mails(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        tokens = await sign_in(client, person)
        for new in (NEW, person.password) * 4:
            assert (await change(client, person, tokens, new)).status_code == 200
            person.password = new
    id = await id_of(corner, person.email)
    assert len(await told(corner, id, "password_changed")) == 8
    assert len(await told(corner, id, "send-notice")) == 5


async def test_a_wrong_present_password_changes_nothing_and_is_written_down(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        tokens, other = await sign_in(client, person), await sign_in(client, person)
        refused = await change(client, person, tokens, current_password=GUESS)
        assert outcome(refused) == WRONG
        assert "www-authenticate" not in refused.headers  # the token is as good as before
        assert await lives(client, other)
        assert (await log_in(client, person)).status_code == 200
    entries = await audited(corner, await id_of(corner, person.email))
    assert entries[-2:] == [("password_refused", "refused"), ("logged_in", "done")]


@pytest.mark.parametrize(
    "new",
    ["short", "password1", "x" * 129, "Ann Example", "kkkkkkkkkkkk"],
    ids=["short", "common", "long", "own name", "repeats"],
)
async def test_a_new_password_is_judged_as_at_register(
    service: ServiceProcess, mailroom: Mailroom, new: str
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        refused = await change(client, person, await sign_in(client, person), new)
        assert outcome(refused) == (400, "invalid_request")
        assert [error["field"] for error in refused.json()["errors"]] == ["new_password"]
        assert (await log_in(client, person)).status_code == 200


async def test_the_address_is_too_easy_to_guess(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        refused = await change(client, person, await sign_in(client, person), person.email)
    assert outcome(refused) == (400, "invalid_request")


async def test_the_present_password_is_no_new_one(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = await member(service, mailroom, password="café kettle orbit")
    async with service.client() as client:
        tokens = await sign_in(client, person)
        for spelling in ("café kettle orbit", "cafe\u0301 kettle orbit"):
            refused = await change(client, person, tokens, spelling)
            assert outcome(refused) == (400, "invalid_request")
            assert [error["field"] for error in refused.json()["errors"]] == ["new_password"]


async def test_a_stolen_token_does_not_guess_the_password(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    """One after another: five guesses, then everyone waits, with the right password too."""
    person = await member(service, mailroom)
    async with service.client() as client:
        tokens = await sign_in(client, person)
        guesses = [await change(client, person, tokens, current_password=GUESS) for _ in range(8)]
        assert [outcome(guess) for guess in guesses] == [WRONG] * 5 + [WAIT] * 3
        late = await change(client, person, tokens)
        assert outcome(late) == WAIT
        assert 25 <= int(late.headers["retry-after"]) <= 30
        # The owner can still log in elsewhere: this count is not the login's.
        assert (await log_in(client, person)).status_code == 200
        let_pass(corner, 30)
        assert (await change(client, person, tokens)).status_code == 200


async def test_of_parallel_wrong_guesses_with_a_stolen_token_five_are_answered(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    """Keycloak CVE-2024-4629, and from as many networks as it takes."""
    person = await member(service, mailroom)
    async with service.client() as client:
        tokens = await sign_in(client, person)
    body = {"current_password": GUESS, "new_password": NEW}
    shots = [Shot(CHANGE, body, fresh_network(), tokens.headers) for _ in range(40)]
    outcomes = Counter((hit.status, hit.code) for hit in await at_once(service, shots))
    assert outcomes == {WRONG: 5, WAIT: 35}


async def test_two_changes_at_once_do_not_both_win(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        tokens = [await sign_in(client, person) for _ in range(2)]
    wishes = [NEW, GUESS]
    shots = [
        Shot(
            CHANGE,
            {"current_password": person.password, "new_password": new},
            person.network,
            each.headers,
        )
        for new, each in zip(wishes, tokens, strict=True)
    ]
    hits = await at_once(service, shots)
    # The other finds the password changed, or its session ended by the change.
    assert sorted((hit.status, hit.code) for hit in hits)[0] == (200, "")
    assert sorted((hit.status, hit.code) for hit in hits)[1] in (WRONG, REJECTED)
    async with service.client() as client:
        passwords = [Person(person.email, wish, network=person.network) for wish in wishes]
        logins = [(await log_in(client, each)).status_code for each in passwords]
    assert logins == [200 if hit.status == 200 else 401 for hit in hits]
    changes = await told(corner, await id_of(corner, person.email), "password_changed")
    assert len(changes) == 1


async def test_a_change_proven_by_a_password_that_was_changed_meanwhile_is_refused(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    """Both in one session, the second held up between its proof and its commit."""
    person = await member(service, mailroom)
    async with service.client() as client:
        tokens = await sign_in(client, person)
        id = await id_of(corner, person.email)
        async with held(corner, id) as connection:
            changing = asyncio.create_task(change(client, person, tokens))
            await connection.waiting(1)
            await connection.execute("UPDATE accounts SET epoch = epoch + 1 WHERE id = $1", id)
        assert outcome(await changing) == WRONG
        assert (await log_in(client, person)).status_code == 200


async def test_a_login_with_the_old_password_does_not_outlive_the_change(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    """Its password was right when it was verified, but its session would open after the change."""
    person = await member(service, mailroom)
    async with service.client() as client:
        tokens = await sign_in(client, person)
        id = await id_of(corner, person.email)
        async with held(corner, id) as connection:
            changing = asyncio.create_task(change(client, person, tokens))
            await connection.waiting(1)
            thief = asyncio.create_task(log_in(client, person))
            await connection.waiting(2)
        assert (await changing).status_code == 200
        assert outcome(await thief) == (401, "wrong_credentials")
    live = await corner.fetch("SELECT FROM sessions WHERE account_id = $1 AND ended_at IS NULL", id)
    assert len(live) == 1


async def test_without_a_password_nothing_can_be_proven(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        tokens = await sign_in(client, person)
        await corner.fetch(
            "UPDATE accounts SET password_hash = NULL WHERE email = $1", person.email
        )
        assert outcome(await change(client, person, tokens)) == WRONG
        assert outcome(await change(client, person, tokens, current_password="None")) == WRONG


async def test_no_dead_token_changes_a_password(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    loggedout, expired, disabled = [await member(service, mailroom) for _ in range(3)]
    async with service.client() as client:
        tokens = [await sign_in(client, each) for each in (loggedout, expired, disabled)]
        await client.post("/api/auth/logout", headers=tokens[0].headers)
        await corner.fetch(
            "UPDATE sessions SET expires_at = now() WHERE account_id = $1",
            await id_of(corner, expired.email),
        )
        await corner.fetch(
            "UPDATE accounts SET status = 'disabled' WHERE email = $1", disabled.email
        )
        for person, each in zip((loggedout, expired, disabled), tokens, strict=True):
            for _ in range(6):  # not counted: a dead token locks nobody out
                refused = await change(client, person, each, current_password=GUESS)
                assert outcome(refused) == REJECTED
        assert outcome(await client.post(CHANGE, json={})) in (REJECTED, (400, "invalid_request"))
        again = await sign_in(client, loggedout)
        assert (await change(client, loggedout, again)).status_code == 200
