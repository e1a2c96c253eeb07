"""People who have forgotten their password."""

from __future__ import annotations

from typing import Any

import httpx

from tests.mailroom import Mailroom
from tests.people import Person

NEW_PASSWORD = "velvet anchor tuesday"


async def ask_to_recover(client: httpx.AsyncClient, person: Person) -> httpx.Response:
    """Whatever a request for a code is answered, sent from the person's own network."""
    return await client.post(
        "/api/auth/password-recovery",
        json={"email": person.email},
        headers={"x-forwarded-for": person.network},
    )


async def recover(client: httpx.AsyncClient, person: Person) -> str:
    """The recovery id of a new recovery."""
    answer = await ask_to_recover(client, person)
    assert answer.status_code == 202, answer.text
    recovery_id: str = answer.json()["data"]["recovery_id"]
    return recovery_id


async def submit(client: httpx.AsyncClient, person: Person, **body: Any) -> httpx.Response:
    """What reset-password answers to a body."""
    return await client.post(
        "/api/auth/reset-password", json=body, headers={"x-forwarded-for": person.network}
    )


async def reset(
    client: httpx.AsyncClient,
    person: Person,
    recovery_id: str,
    otp: str,
    new_password: str = NEW_PASSWORD,
) -> httpx.Response:
    return await submit(
        client,
        person,
        email=person.email,
        otp=otp,
        recovery_id=recovery_id,
        new_password=new_password,
    )


async def reset_by_link(
    client: httpx.AsyncClient, person: Person, token: str, new_password: str = NEW_PASSWORD
) -> httpx.Response:
    return await submit(client, person, token=token, new_password=new_password)


async def recovered(
    client: httpx.AsyncClient, mailroom: Mailroom, person: Person, new_password: str = NEW_PASSWORD
) -> None:
    """Go all the way, and remember the new password."""
    recovery_id = await recover(client, person)
    answer = await reset(client, person, recovery_id, mailroom.code(recovery_id), new_password)
    assert answer.status_code == 200, answer.text
    person.password = new_password
