"""Fresh people who register, each from a client address of their own."""

from __future__ import annotations

import itertools
import secrets
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.mailroom import Mailroom
from tests.service_process import ServiceProcess

PASSWORD = "plum kettle orbit"
_numbers = itertools.count(1)
_networks = itertools.count(secrets.randbelow(2**24))


def fresh_address() -> str:
    """An email address that nobody has used."""
    return f"p{next(_numbers)}-{secrets.token_hex(4)}@example.org"


def fresh_network() -> str:
    """An IPv4 address that nobody has called from."""
    number = next(_networks)
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


@dataclass
class Person:
    email: str = field(default_factory=fresh_address)
    password: str = PASSWORD
    name: str = "Ann Example"
    network: str = field(default_factory=fresh_network)

    def registration(self, **more: Any) -> dict[str, Any]:
        return {"name": self.name, "email": self.email, "password": self.password, **more}

    def credentials(self) -> dict[str, str]:
        return {"email": self.email, "password": self.password}


async def ask_to_register(client: httpx.AsyncClient, person: Person, **more: Any) -> httpx.Response:
    """Whatever a new attempt is answered, sent from the person's own network."""
    answer = await client.post(
        "/api/auth/register",
        json=person.registration(**more),
        headers={"x-forwarded-for": person.network},
    )
    client.cookies.clear()
    return answer


async def register(client: httpx.AsyncClient, person: Person, **more: Any) -> str:
    """The registration id of a new attempt."""
    answer = await ask_to_register(client, person, **more)
    assert answer.status_code == 202, answer.text
    registration_id: str = answer.json()["data"]["registration_id"]
    return registration_id


async def resend(client: httpx.AsyncClient, person: Person, registration_id: str) -> httpx.Response:
    answer = await client.post(
        "/api/auth/resend-otp",
        json={"registration_id": registration_id},
        headers={"x-forwarded-for": person.network},
    )
    client.cookies.clear()
    return answer


async def verify(
    client: httpx.AsyncClient, person: Person, registration_id: str | None, otp: str
) -> httpx.Response:
    body = {"email": person.email, "otp": otp}
    if registration_id is not None:
        body["registration_id"] = registration_id
    return await client.post(
        "/api/auth/verify-otp", json=body, headers={"x-forwarded-for": person.network}
    )


async def log_in(client: httpx.AsyncClient, person: Person) -> httpx.Response:
    return await client.post(
        "/api/auth/login",
        json=person.credentials(),
        headers={"x-forwarded-for": person.network},
    )


@dataclass(frozen=True)
class SignedIn:
    """One session's tokens."""

    access: str
    refresh: str

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.access}"}


async def sign_in(client: httpx.AsyncClient, person: Person) -> SignedIn:
    """A new session of somebody who has an account."""
    answer = await log_in(client, person)
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    return SignedIn(data["token"], data["refresh_token"])


async def member(service: ServiceProcess, mailroom: Mailroom, **fields: Any) -> Person:
    """Somebody with an account."""
    username = fields.pop("username", None)
    person = Person(**fields)
    async with service.client() as client:
        more = {} if username is None else {"username": username}
        registration_id = await register(client, person, **more)
        code = mailroom.code(registration_id)
        answer = await verify(client, person, registration_id, code)
        assert answer.status_code == 201, answer.text
    return person


def outcome(answer: httpx.Response) -> tuple[int, str]:
    """The status, and a refusal's code."""
    return answer.status_code, answer.json().get("code", "")


def wrong(code: str) -> str:
    """Six other digits."""
    return str((int(code) + 1) % 10**6).zfill(6)
