"""Whoever is no administrator at this moment, by what Postgres knows, gets nowhere."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import jwt
import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person, outcome
from tests.service_process import ServiceProcess
from tests.user_service.admins import AUDIT, USERS, Account, account, admin
from tests.user_service.forged_tokens import private_key, sign

pytestmark = pytest.mark.anyio

REFUSED = (403, "admins_only")
REJECTED = (401, "token_rejected")
ROUTES = [
    ("GET", USERS),
    ("GET", USERS + "/{id}"),
    ("POST", USERS + "/{id}/disable"),
    ("POST", USERS + "/{id}/enable"),
    ("POST", USERS + "/{id}/force-password-reset"),
    ("DELETE", USERS + "/{id}/sessions"),
    ("DELETE", USERS + "/{id}"),
    ("GET", AUDIT),
]


async def every_route(
    client: httpx.AsyncClient, headers: dict[str, str], id: str
) -> set[tuple[int, str]]:
    """What the routes answer, each about the account."""
    return {
        outcome(await client.request(method, path.format(id=id), headers=headers))
        for method, path in ROUTES
    }


async def test_a_user_learns_nothing_and_changes_nothing(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    user, other = await account(service, mailroom), await account(service, mailroom)
    async with service.client() as client:
        # Whether there is such an account makes no difference either.
        for id in (other.id, user.id, str(UUID(int=0))):
            assert await every_route(client, user.headers, id) == {REFUSED}
        assert (await client.get("/v1/me", headers=other.headers)).status_code == 200
    rows = await corner.fetch("SELECT FROM audit WHERE actor = 'admin' AND actor_id = $1", user.id)
    assert rows == []


@pytest.mark.parametrize("end", ["disabled", "deleted", "logged out", "revoked"])
async def test_an_administrator_who_is_one_no_longer_is_out_at_once(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner, end: str
) -> None:
    boss, former = [await admin(service, mailroom, corner) for _ in range(2)]
    user = await account(service, mailroom)
    async with service.client() as client:
        assert (await client.get(USERS, headers=former.headers)).status_code == 200
        if end == "disabled":
            await client.post(f"{USERS}/{former.id}/disable", headers=boss.headers)
        elif end == "deleted":
            await client.delete(f"{USERS}/{former.id}", headers=boss.headers)
        elif end == "logged out":
            await client.post("/api/auth/logout", headers=former.headers)
        else:
            await corner.fetch("UPDATE accounts SET role = 'user' WHERE id = $1::uuid", former.id)
        expected = REFUSED if end == "revoked" else REJECTED
        assert await every_route(client, former.headers, user.id) == {expected}


async def test_what_a_token_says_makes_nobody_an_administrator(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    """Even if it were us who said it."""
    user = await account(service, mailroom)
    header = jwt.get_unverified_header(user.tokens.access)
    claims: dict[str, Any] = jwt.decode(user.tokens.access, options={"verify_signature": False})
    key = await asyncio.to_thread(private_key, corner, header["kid"])
    bold = {"role": "admin", "roles": ["admin"], "admin": True, "scope": "admin"}
    headers = {"authorization": f"Bearer {sign(header, {**claims, **bold}, key)}"}
    async with service.client() as client:
        assert (await client.get("/v1/me", headers=headers)).status_code == 200
        assert await every_route(client, headers, user.id) == {REFUSED}


@pytest.mark.parametrize("field", ["role", "is_admin", "status", "id", "epoch"])
async def test_nobody_makes_themselves_an_administrator(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner, field: str
) -> None:
    user = await account(service, mailroom)
    async with service.client() as client:
        edit = {"name": "Ann", field: "admin"}
        answer = await client.patch("/api/auth/profile", json=edit, headers=user.headers)
        assert outcome(answer) == (400, "invalid_request")
        registration = Person().registration(**{field: "admin"})
        answer = await client.post("/api/auth/register", json=registration)
        assert outcome(answer) == (400, "invalid_request")
    rows = await corner.fetch("SELECT role FROM accounts WHERE id = $1::uuid", user.id)
    assert rows[0]["role"] == "user"


async def test_while_postgres_hangs_every_route_is_unavailable_in_time(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    boss, user = await admin(service, mailroom, corner), await account(service, mailroom)
    connection = await asyncpg.connect(corner.database_url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE audit, accounts IN ACCESS EXCLUSIVE MODE")
            async with service.client() as client:
                began = time.monotonic()
                assert {
                    outcome(answer)
                    for answer in await asyncio.gather(
                        *(
                            client.request(method, path.format(id=user.id), headers=boss.headers)
                            for method, path in ROUTES
                        )
                    )
                } == {(503, "unavailable")}
                assert time.monotonic() - began < 4
        async with service.client() as client:
            await _until_it_answers(client, boss)
            page = await client.get(f"{USERS}/{user.id}", headers=boss.headers)
            assert page.json()["data"]["user"]["status"] == "active"
    finally:
        await connection.close()


async def _until_it_answers(client: httpx.AsyncClient, boss: Account) -> None:
    deadline = time.monotonic() + 10
    while (await client.get(USERS, headers=boss.headers)).status_code != 200:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
