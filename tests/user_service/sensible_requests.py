"""For each operation of the API a request that somebody might really send."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
from argon2 import PasswordHasher

from tests.corner import Corner
from tests.people import PASSWORD, Person, SignedIn, fresh_address
from tests.service_process import ServiceProcess

CHEAPEST = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
NEW_PASSWORD = "copper lantern drizzle"
NO_ID = "r" * 32


@dataclass(frozen=True)
class Subject:
    """An administrator with a session, made for one request, because some end the account.

    `other` is the id of somebody else's account.
    """

    person: Person
    tokens: SignedIn
    other: UUID

    @classmethod
    def made(cls, corner: Corner, service: ServiceProcess) -> Subject:
        person, other = Person(), uuid4()
        corner.rows(
            "INSERT INTO accounts (id, email, name, password_hash, version, role)"
            " VALUES ($1, $2, 'Ann', $5, 1, 'admin'), ($3, $4, 'Bob', $5, 1, 'user')",
            *(uuid4(), person.email, other, fresh_address(), CHEAPEST),
        )
        answer = httpx.post(f"{service.url}/api/auth/login", json=person.credentials())
        data = answer.json()["data"]
        return cls(person, SignedIn(data["token"], data["refresh_token"]), other)


Body = Callable[[Subject], dict[str, Any]]

BODIES: dict[str, Body] = {
    "POST /api/auth/register": lambda s: Person().registration(),
    "POST /api/auth/resend-otp": lambda s: {"registration_id": NO_ID},
    "POST /api/auth/verify-otp": lambda s: {
        "email": fresh_address(),
        "otp": "123456",
        "registration_id": NO_ID,
    },
    "POST /api/auth/login": lambda s: s.person.credentials(),
    "POST /api/auth/refresh": lambda s: {"refresh_token": s.tokens.refresh},
    "POST /api/auth/password-recovery": lambda s: {"email": s.person.email},
    "POST /api/auth/reset-password": lambda s: {
        "email": s.person.email,
        "otp": "123456",
        "recovery_id": NO_ID,
        "new_password": NEW_PASSWORD,
    },
    "PATCH /api/auth/profile": lambda s: {"name": "Ann Other"},
    "DELETE /api/auth/profile": lambda s: {"password": s.person.password},
    "POST /api/auth/change-password": lambda s: {
        "current_password": s.person.password,
        "new_password": NEW_PASSWORD,
    },
    "POST /api/auth/change-email": lambda s: {
        "new_email": fresh_address(),
        "password": s.person.password,
    },
    "POST /api/auth/change-email/verify": lambda s: {"otp": "123456"},
    "POST /token": lambda s: {
        "grant_type": "password",
        "username": s.person.email,
        "password": s.person.password,
    },
    "POST /introspect": lambda s: {"token": s.tokens.access},
    "POST /revoke": lambda s: {"token": s.tokens.refresh},
}
# What such a request is answered with, where that is not 200.
ANSWERS = {
    "POST /api/auth/register": 202,
    "POST /api/auth/resend-otp": 410,
    "POST /api/auth/verify-otp": 410,
    "POST /api/auth/password-recovery": 202,
    "POST /api/auth/reset-password": 410,
    "POST /api/auth/change-email": 202,
    "POST /api/auth/change-email/verify": 410,
    "DELETE /api/auth/sessions/{session_id}": 404,
    "POST /webhooks/clerk": 404,
    "POST /api/webhook/clerk": 404,
    "GET /api/users/by-clerk-id/{clerk_id}": 404,
}
