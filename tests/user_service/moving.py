"""People who move to another email address."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.mailroom import Mailroom
from tests.people import Person, SignedIn, fresh_address, member, sign_in
from tests.service_process import ServiceProcess

CHANGE = "/api/auth/change-email"
VERIFY = "/api/auth/change-email/verify"


@dataclass
class Mover:
    """Somebody with a session, and the address that they want."""

    person: Person
    tokens: SignedIn
    wanted: str = field(default_factory=fresh_address)

    @classmethod
    async def ready(cls, service: ServiceProcess, mailroom: Mailroom, **fields: Any) -> Mover:
        person = await member(service, mailroom, **fields)
        async with service.client() as client:
            return cls(person, await sign_in(client, person))

    @property
    def headers(self) -> dict[str, str]:
        return {**self.tokens.headers, "x-forwarded-for": self.person.network}

    async def ask(self, client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
        body = {"new_email": self.wanted, "password": self.person.password, **fields}
        return await client.post(CHANGE, json=body, headers=self.headers)

    async def begin(self, client: httpx.AsyncClient) -> str:
        """The id of a new change."""
        answer = await self.ask(client)
        assert answer.status_code == 202, answer.text
        change_id: str = answer.json()["data"]["change_id"]
        return change_id

    async def verify(
        self, client: httpx.AsyncClient, otp: str, change_id: str | None = None
    ) -> httpx.Response:
        body = {"otp": otp} if change_id is None else {"otp": otp, "change_id": change_id}
        return await client.post(VERIFY, json=body, headers=self.headers)

    async def move(self, client: httpx.AsyncClient, mailroom: Mailroom) -> None:
        """Go all the way, and remember the new address."""
        change_id = await self.begin(client)
        answer = await self.verify(client, mailroom.code(change_id))
        assert answer.status_code == 200, answer.text
        self.person.email = self.wanted
        self.wanted = fresh_address()
