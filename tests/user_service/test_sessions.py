"""A person sees their sessions and ends them, and what has ended is dead at once."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person, SignedIn, fresh_network, log_in, member, outcome, sign_in
from tests.service_process import ServiceProcess
from tests.unlimited import UNLIMITED

pytestmark = pytest.mark.anyio

REJECTED = (401, "token_rejected")


async def sessions_of(client: httpx.AsyncClient, tokens: SignedIn) -> list[dict[str, Any]]:
    answer = await client.get("/api/auth/sessions", headers=tokens.headers)
    assert answer.status_code == 200, answer.text
    listed: list[dict[str, Any]] = answer.json()["data"]["sessions"]
    return listed


async def is_dead(client: httpx.AsyncClient, tokens: SignedIn) -> bool:
    profile = await client.get("/api/auth/profile", headers=tokens.headers)
    refresh = await client.post("/api/auth/refresh", json={"refresh_token": tokens.refresh})
    assert profile.status_code == refresh.status_code, (profile.text, refresh.text)
    return profile.status_code == 401


async def test_after_a_logout_both_tokens_are_dead_at_once(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        other, tokens = await sign_in(client, person), await sign_in(client, person)
        answer = await client.post("/api/auth/logout", headers=tokens.headers)
        assert (answer.status_code, answer.json()["data"]) == (200, {"ended": 1})
        assert await is_dead(client, tokens)
        again = await client.post("/api/auth/logout", headers=tokens.headers)
        assert outcome(again) == REJECTED
        assert not await is_dead(client, other)
    ((payload,),) = await corner.fetch(
        "SELECT payload FROM outbox JOIN accounts ON key = accounts.id::text"
        " WHERE topic = 'sessions_revoked' AND email = $1",
        person.email,
    )
    assert '"session_ids":["' in payload


async def test_the_list_shows_where_and_with_what_each_session_was_opened(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = await member(service, mailroom)
    async with service.client(**{"user-agent": "Firefox/147"}) as client:
        phone = await sign_in(client, person)
    person.network = fresh_network()
    async with service.client(**{"user-agent": "curl/8"}) as client:
        laptop = await sign_in(client, person)
        newest, oldest = await sessions_of(client, laptop)
        assert (newest["device"], newest["current"]) == ("curl/8", True)
        assert (oldest["device"], oldest["current"]) == ("Firefox/147", False)
        assert newest["address"] == person.network
        assert newest["expires_at"] > newest["created_at"]
        refreshed = await client.post("/api/auth/refresh", json={"refresh_token": phone.refresh})
        assert refreshed.status_code == 200
        _, used = await sessions_of(client, laptop)
        assert used["last_used_at"] > oldest["last_used_at"]
        assert used["created_at"] == oldest["created_at"]
        listed = (await client.get("/api/auth/sessions", headers=laptop.headers)).text
        assert "digest" not in listed
        assert phone.refresh not in listed


async def test_one_session_or_all_others_can_be_ended(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        opened = [await sign_in(client, person) for _ in range(4)]
        current = opened[3]
        listed = await sessions_of(client, current)
        target = listed[-1]["id"]
        answer = await client.delete(f"/api/auth/sessions/{target}", headers=current.headers)
        assert answer.status_code == 200
        assert await is_dead(client, opened[0])
        assert len(await sessions_of(client, current)) == 3
        answer = await client.delete("/api/auth/sessions", headers=current.headers)
        assert answer.json()["data"] == {"ended": 2}
        assert await is_dead(client, opened[1])
        assert await is_dead(client, opened[2])
        assert not await is_dead(client, current)


async def test_nobody_ends_the_session_of_somebody_else(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    victim, thief = await member(service, mailroom), await member(service, mailroom)
    async with service.client() as client:
        theirs, mine = await sign_in(client, victim), await sign_in(client, thief)
        ((session),) = await sessions_of(client, theirs)
        for id in (session["id"], uuid4()):
            answer = await client.delete(f"/api/auth/sessions/{id}", headers=mine.headers)
            assert outcome(answer) == (404, "no_such_session")
        await client.delete("/api/auth/sessions", headers=mine.headers)
        assert not await is_dead(client, theirs)
        answer = await client.delete("/api/auth/sessions/1", headers=mine.headers)
        assert answer.status_code in (400, 404)


async def test_the_oldest_session_makes_room_when_there_are_too_many(
    mailroom: Mailroom, corner: Corner
) -> None:
    settings = {**UNLIMITED, "SESSIONS_PER_ACCOUNT": "3"}
    with ServiceProcess.started(corner.variables, **settings) as service:
        person = await member(service, mailroom)
        async with service.client() as client:
            opened = [await sign_in(client, person) for _ in range(4)]
            assert [await is_dead(client, tokens) for tokens in opened] == [True] + [False] * 3
            answers = await asyncio.gather(*(log_in(client, person) for _ in range(10)))
            assert {answer.status_code for answer in answers} == {200}
            newest = await sign_in(client, person)
            assert len(await sessions_of(client, newest)) == 3
            assert await is_dead(client, opened[3])


async def test_sessions_of_a_disabled_account_are_dead_before_anybody_ends_them(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person: Person = await member(service, mailroom)
    async with service.client() as client:
        tokens = await sign_in(client, person)
        await corner.fetch("UPDATE accounts SET status = 'disabled' WHERE email = $1", person.email)
        assert await is_dead(client, tokens)
        for method, path in (("GET", "sessions"), ("DELETE", "sessions"), ("POST", "logout")):
            answer = await client.request(method, f"/api/auth/{path}", headers=tokens.headers)
            assert outcome(answer) == REJECTED
        await corner.fetch("UPDATE accounts SET status = 'active' WHERE email = $1", person.email)
        assert not await is_dead(client, tokens)
