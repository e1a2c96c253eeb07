"""Administrators, and what they see of an account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person, SignedIn, member, sign_in
from tests.service_process import ServiceProcess

USERS = "/api/admin/users"
AUDIT = "/api/admin/audit"


@dataclass(frozen=True)
class Account:
    """Somebody with an account and one session."""

    id: str
    person: Person
    tokens: SignedIn

    @property
    def headers(self) -> dict[str, str]:
        return self.tokens.headers | {"x-forwarded-for": self.person.network}


async def account(service: ServiceProcess, mailroom: Mailroom, **fields: Any) -> Account:
    person = await member(service, mailroom, **fields)
    async with service.client() as client:
        tokens = await sign_in(client, person)
        profile = await client.get("/v1/me", headers=tokens.headers)
    return Account(profile.json()["data"]["user"]["id"], person, tokens)


async def admin(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner, **fields: Any
) -> Account:
    made = await account(service, mailroom, **fields)
    await corner.fetch("UPDATE accounts SET role = 'admin' WHERE id = $1::uuid", made.id)
    return made


async def is_dead(client: httpx.AsyncClient, tokens: SignedIn) -> bool:
    profile = await client.get("/api/auth/profile", headers=tokens.headers)
    refresh = await client.post("/api/auth/refresh", json={"refresh_token": tokens.refresh})
    assert profile.status_code == refresh.status_code, (profile.text, refresh.text)
    return profile.status_code == 401


async def events_of(corner: Corner, id: str) -> list[str]:
    """The topics of everything that was recorded about an account, oldest first."""
    rows = await corner.fetch("SELECT topic FROM outbox WHERE key = $1 ORDER BY id", id)
    return [row["topic"] for row in rows]


async def audited(corner: Corner, id: str) -> list[tuple[str, str, str | None, str | None]]:
    """Action, actor, actor's id and network address of every entry about an account."""
    rows = await corner.fetch(
        "SELECT action, actor, actor_id, host(address) AS address"
        " FROM audit WHERE account_id = $1::uuid ORDER BY id",
        id,
    )
    return [tuple(row) for row in rows]
