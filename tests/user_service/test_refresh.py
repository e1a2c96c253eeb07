"""Refresh tokens: each is spent once, and whoever shows a spent one again ends its session."""

from __future__ import annotations

import asyncio
import base64
from hashlib import sha256

import httpx
import pytest

from tests.corner import MASTER_KEY, Corner
from tests.mailroom import Mailroom
from tests.people import Person, SignedIn, member, outcome, sign_in
from tests.service_process import ServiceProcess
from tests.user_service.barrage import Shot, at_once
from user_service.identity.master_key import MasterKey
from user_service.identity.refresh_tokens import RefreshToken, RefreshTokens

pytestmark = pytest.mark.anyio

REFRESH = "/api/auth/refresh"
REJECTED = (401, "refresh_token_rejected")
GRACE_SECONDS = 10


async def refresh(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post(REFRESH, json={"refresh_token": token})


async def refreshed(client: httpx.AsyncClient, token: str) -> SignedIn:
    answer = await refresh(client, token)
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    return SignedIn(data["token"], data["refresh_token"])


async def profile_status(client: httpx.AsyncClient, tokens: SignedIn) -> int:
    return (await client.get("/api/auth/profile", headers=tokens.headers)).status_code


async def let_grace_pass(corner: Corner, person: Person) -> None:
    """The same as waiting, for Postgres' clock is the one that counts."""
    await corner.fetch(
        """
        UPDATE sessions SET refreshes = array(
            SELECT at - interval '11 seconds' FROM unnest(refreshes) AS at)
        WHERE account_id = (SELECT id FROM accounts WHERE email = $1)
        """,
        person.email,
    )


async def test_a_refresh_token_buys_its_successor_and_an_access_token(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        first = await sign_in(client, person)
        answer = await refresh(client, first.refresh)
        data = answer.json()["data"]
        assert (data["token_type"], data["expires_in"]) == ("Bearer", 900)
        assert data["user"]["email"] == person.email
        assert answer.headers["cache-control"] == "no-store"
        second = SignedIn(data["token"], data["refresh_token"])
        assert second.refresh != first.refresh
        assert await profile_status(client, second) == 200
        assert (await refresh(client, second.refresh)).status_code == 200


async def test_a_lost_answer_can_be_asked_for_again(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        first = await sign_in(client, person)
        second = await refreshed(client, first.refresh)
        assert (await refreshed(client, first.refresh)).refresh == second.refresh
        third = await refreshed(client, second.refresh)
        # Each within the grace gets the same again, however many came after it.
        assert (await refreshed(client, first.refresh)).refresh == second.refresh
        assert (await refreshed(client, second.refresh)).refresh == third.refresh
        assert (await refresh(client, third.refresh)).status_code == 200


async def test_however_fast_somebody_refreshes_the_session_stays_small(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    of_person = "WHERE account_id = (SELECT id FROM accounts WHERE email = $1)"
    async with service.client() as client:
        first = await sign_in(client, person)
        await corner.fetch(
            f"UPDATE sessions SET refreshes = array_fill(now(), ARRAY[5000]) {of_person}",
            person.email,
        )
        second = await refreshed(client, first.refresh)
        assert (await refreshed(client, first.refresh)).refresh == second.refresh
    query = f"SELECT cardinality(refreshes) AS kept FROM sessions {of_person}"
    ((kept,),) = await corner.fetch(query, person.email)
    assert kept == 100


async def test_a_replayed_refresh_token_ends_its_whole_session_and_no_other(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        bystander = await sign_in(client, person)
        first = await sign_in(client, person)
        second = await refreshed(client, first.refresh)
        await let_grace_pass(corner, person)
        assert outcome(await refresh(client, first.refresh)) == REJECTED
        assert outcome(await refresh(client, second.refresh)) == REJECTED
        assert await profile_status(client, second) == 401
        assert await profile_status(client, bystander) == 200
        assert (await refresh(client, bystander.refresh)).status_code == 200
    told = await corner.fetch(
        "SELECT topic FROM outbox WHERE key = (SELECT id::text FROM accounts WHERE email = $1)"
        " AND topic = 'sessions_revoked'",
        person.email,
    )
    assert len(told) == 1
    noted = await corner.fetch(
        "SELECT action, outcome FROM audit JOIN accounts ON accounts.id = audit.account_id"
        " WHERE email = $1 ORDER BY audit.id DESC LIMIT 2",
        person.email,
    )
    assert {tuple(row) for row in noted} == {
        ("refresh_token_replayed", "refused"),
        ("sessions_ended", "done"),
    }


async def test_a_token_that_was_spent_long_ago_is_recognised_for_ever(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        first = newest = await sign_in(client, person)
        for _ in range(6):
            newest = await refreshed(client, newest.refresh)
            await let_grace_pass(corner, person)
        assert outcome(await refresh(client, first.refresh)) == REJECTED
        assert outcome(await refresh(client, newest.refresh)) == REJECTED


async def test_a_replay_is_recognised_by_another_process_too(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    """No process remembers anything: a restart neither forgives a replay nor shortens the grace."""
    person = await member(service, mailroom)
    async with service.client() as client:
        first = await sign_in(client, person)
        second = await refreshed(client, first.refresh)
    with ServiceProcess.started(corner.variables) as restarted:
        async with restarted.client() as client:
            assert (await refreshed(client, first.refresh)).refresh == second.refresh
            await let_grace_pass(corner, person)
            assert outcome(await refresh(client, first.refresh)) == REJECTED
            assert outcome(await refresh(client, second.refresh)) == REJECTED


@pytest.mark.parametrize("round", range(5))
async def test_twenty_parallel_refreshes_leave_one_live_successor(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner, round: int
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        first = await sign_in(client, person)
        shot = Shot(REFRESH, {"refresh_token": first.refresh}, person.network)
        hits = await at_once(service, [shot] * 20)
        assert [hit.status for hit in hits] == [200] * 20
        successors = {hit.body["data"]["refresh_token"] for hit in hits}
        assert len(successors) == 1
        await let_grace_pass(corner, person)
        assert (await refresh(client, successors.pop())).status_code == 200
        await let_grace_pass(corner, person)
        assert outcome(await refresh(client, first.refresh)) == REJECTED


async def test_parallel_replays_end_the_session_once(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        first = await sign_in(client, person)
        second = await refreshed(client, first.refresh)
        await let_grace_pass(corner, person)
        shot = Shot(REFRESH, {"refresh_token": first.refresh}, person.network)
        hits = await at_once(service, [shot] * 10)
        assert {(hit.status, hit.code) for hit in hits} == {REJECTED}
        assert outcome(await refresh(client, second.refresh)) == REJECTED
    ((count,),) = await corner.fetch(
        "SELECT count(*) FROM outbox JOIN accounts ON key = accounts.id::text"
        " WHERE topic = 'sessions_revoked' AND email = $1",
        person.email,
    )
    assert count == 1


async def test_a_session_that_nobody_refreshes_ends_and_one_that_is_refreshed_ends_too(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    of_person = "WHERE account_id = (SELECT id FROM accounts WHERE email = $1)"
    lives = (
        "SELECT extract(epoch FROM expires_at - now()) / 86400 AS idle,"
        f" extract(epoch FROM ends_by - now()) / 86400 AS whole FROM sessions {of_person}"
    )
    async with service.client() as client:
        tokens = await sign_in(client, person)
        ((idle, whole),) = await corner.fetch(lives, person.email)
        assert (round(idle), round(whole)) == (14, 30)
        await corner.fetch(
            "UPDATE sessions SET ends_by = ends_by - interval '20 days',"
            f" expires_at = expires_at - interval '10 days' {of_person}",
            person.email,
        )
        tokens = await refreshed(client, tokens.refresh)
        ((idle, whole),) = await corner.fetch(lives, person.email)
        assert (round(idle), round(whole)) == (10, 10)
        await corner.fetch(f"UPDATE sessions SET expires_at = now() {of_person}", person.email)
        assert outcome(await refresh(client, tokens.refresh)) == REJECTED
        assert await profile_status(client, tokens) == 401


async def test_a_refresh_that_a_failover_has_forgotten_costs_nobody_the_session(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        first = await sign_in(client, person)
        second = await refreshed(client, first.refresh)
        await corner.fetch(
            "UPDATE sessions SET generation = 0, refreshes = '{}'"
            " WHERE account_id = (SELECT id FROM accounts WHERE email = $1)",
            person.email,
        )
        third = await refreshed(client, second.refresh)
        await let_grace_pass(corner, person)
        assert (await refresh(client, third.refresh)).status_code == 200


async def test_no_forged_refresh_token_is_taken_and_none_ends_the_session_it_names(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    """Each byte but the last of the MAC changed; and spellings that a lenient decoder forgives."""
    person = await member(service, mailroom)
    async with service.client() as client:
        tokens = await sign_in(client, person)
        raw = base64.urlsafe_b64decode(tokens.refresh)
        forged = [raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :] for at in range(len(raw))]
        texts = [base64.urlsafe_b64encode(each).decode() for each in forged]
        text = tokens.refresh
        texts += [text[:-4], text[:-1], text[:50] + "=" + text[51:], text[:50] + "\n" + text[51:]]
        texts += ["a", "A" * 112, "é" * 56, text.replace(text[0], "*", 1), "\x00" * 112]
        answers = await asyncio.gather(*(refresh(client, text) for text in texts))
        assert {outcome(answer) for answer in answers} == {REJECTED}
        assert (await refresh(client, tokens.refresh)).status_code == 200


async def test_a_token_of_another_installation_is_not_taken(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        tokens = await sign_in(client, person)
    secret = "JWT-5e1f0a9d8c7b6a5948372615f0e1d2c3"
    other = {"MASTER_KEY": "0" * 31 + "1", "JWT_SECRET": secret, "ALGORITHM": "HS256"}
    with ServiceProcess.started(corner.variables, **other) as elsewhere:
        async with elsewhere.client() as client:
            assert outcome(await refresh(client, tokens.refresh)) == REJECTED


async def test_whoever_knows_the_key_and_the_session_still_lacks_its_secret(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = await member(service, mailroom)
    keys = RefreshTokens(MasterKey(MASTER_KEY).derive("refresh"))
    async with service.client() as client:
        tokens = await sign_in(client, person)
        real = keys.read(tokens.refresh)
        for generation in (0, 1, 7):
            forged = RefreshToken(real.session, generation, bytes(32))
            assert outcome(await refresh(client, keys.write(forged))) == REJECTED
        assert (await refresh(client, tokens.refresh)).status_code == 200


async def test_what_postgres_keeps_of_a_refresh_token_makes_none(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        tokens = await sign_in(client, person)
    raw = base64.urlsafe_b64decode(tokens.refresh)
    secret = raw[20:52]
    rows = await corner.fetch(
        "SELECT sessions::text AS row, secret_digest FROM sessions"
        " JOIN accounts ON accounts.id = account_id WHERE email = $1",
        person.email,
    )
    assert [row["secret_digest"] for row in rows] == [sha256(secret).digest()]
    for part in (secret.hex(), raw[52:].hex(), tokens.refresh):
        assert part not in rows[0]["row"]
    assert tokens.refresh not in service.log


@pytest.mark.parametrize("token", [None, 1, True, [], {}, "", "a" * 113])
async def test_what_is_no_refresh_token_is_refused_by_name(
    service: ServiceProcess, token: object
) -> None:
    async with service.client() as client:
        answer = await client.post(REFRESH, json={"refresh_token": token})
        assert outcome(answer) == (400, "invalid_request")
        assert [error["field"] for error in answer.json()["errors"]] == ["refresh_token"]
