"""Every mail of an account's life, from the request that causes it to the mailbox."""

from __future__ import annotations

import re
import sys
from typing import Any

import anyio
import httpx
import pytest

from dev_stack.mail_stand_in import MailView
from tests.corner import Corner
from tests.people import Person, fresh_address, log_in, register, verify
from tests.system.stack import RESET_PAGE, Stack

pytestmark = pytest.mark.anyio

NEW = "another pass phrase"


async def test_the_code_of_a_recovery_mail_sets_a_new_password(stack: Stack) -> None:
    async with stack.service.client() as client:
        person, first = await _member(stack, client)
        recovery_id = await _recover(client, person)
        mail = await stack.mail_to(person, after=first)
        assert mail.code is not None
        proof = {"email": person.email, "otp": mail.code, "recovery_id": recovery_id}
        assert (await _reset(client, person, **proof)).status_code == 200

        await _only_the_new_password_is_right(stack, client, person, after=mail)


async def test_the_link_of_a_recovery_mail_sets_a_new_password_and_spends_its_code(
    stack: Stack,
) -> None:
    async with stack.service.client() as client:
        person, first = await _member(stack, client)
        recovery_id = await _recover(client, person)
        mail = await stack.mail_to(person, after=first)
        [token] = re.findall(rf"^ +{re.escape(RESET_PAGE)}#token=(\S+)$", mail.text, re.MULTILINE)
        assert f'href="{RESET_PAGE}#token={token}"' in mail.html
        assert (await _reset(client, person, token=token)).status_code == 200

        await _only_the_new_password_is_right(stack, client, person, after=mail)
        again = await _reset(
            client,
            person,
            "a third pass phrase",
            email=person.email,
            otp=mail.code,
            recovery_id=recovery_id,
        )
        assert again.status_code == 410, again.text
        await _only_the_new_password_is_right(stack, client, person)


async def test_nobody_gets_a_mail_of_a_recovery_of_an_address_without_an_account(
    stack: Stack,
) -> None:
    stranger = Person()
    async with stack.service.client() as client:
        await _recover(client, stranger)
        person, first = await _member(stack, client)
        await _recover(client, person)
        await stack.mail_to(person, after=first)

    assert stack.subjects(stranger.email) == []


async def test_whatever_happens_to_an_account_is_told_once_to_whom_it_concerns(
    stack: Stack,
) -> None:
    async with stack.service.client() as client:
        person, last = await _member(stack, client)
        await log_in(client, person)  # the first one is no news
        client.headers["user-agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Firefox/133.0"
        signed_in = (await log_in(client, person)).json()["data"]
        client.headers["authorization"] = f"Bearer {signed_in['token']}"
        last = await stack.mail_to(person, after=last)
        assert "Firefox on Linux" in last.text

        change = {"current_password": person.password, "new_password": NEW}
        await _done(client, "POST", "change-password", change)
        last = await stack.mail_to(person, after=last)

        moved = Person(fresh_address(), NEW)
        asked = {"new_email": moved.email, "password": NEW}
        begun = await _done(client, "POST", "change-email", asked, status=202)
        code = await stack.mail_to(moved)
        proof = {"otp": code.code, "change_id": begun["change_id"]}
        await _done(client, "POST", "change-email/verify", proof)
        last = await stack.mail_to(person, after=last)
        told = await stack.mail_to(moved, after=code)
        assert f"{moved.email[0]}***@example.org" in last.text
        assert last.text == told.text

        await _done(client, "DELETE", "profile", {"password": NEW})
        await stack.mail_to(moved, after=told)

    assert stack.subjects(person.email) == [
        "Your Gatepost verification code",
        "New sign-in to your Gatepost account",
        "Your Gatepost password was changed",
        "The address of your Gatepost account was changed",
    ]
    assert stack.subjects(moved.email) == [
        "Confirm your new Gatepost address",
        "The address of your Gatepost account was changed",
        "Your Gatepost account was deleted",
    ]
    assert stack.sendgrid.mailbox.doubled == 0


async def test_whose_password_was_withdrawn_is_told_what_to_do(
    stack: Stack, corner: Corner
) -> None:
    async with stack.service.client() as client:
        person, first = await _member(stack, client)
        command = [sys.executable, "-m", "user_service", "admin", "users", "force-reset"]
        await anyio.run_process([*command, person.email], env=corner.variables)
        mail = await stack.mail_to(person, after=first)
        assert (await log_in(client, person)).status_code == 401

    assert mail.subject == "Your Gatepost account needs a new password"
    assert (mail.code, "#token" in mail.text) == (None, False)


async def _member(stack: Stack, client: httpx.AsyncClient) -> tuple[Person, MailView]:
    """Somebody with an account, and the mail that it began with."""
    person = Person()
    registration_id = await register(client, person)
    mail = await stack.mail_to(person)
    assert mail.code is not None
    assert (await verify(client, person, registration_id, mail.code)).status_code == 201
    return person, mail


async def _recover(client: httpx.AsyncClient, person: Person) -> str:
    headers = {"x-forwarded-for": person.network}
    answer = await client.post(
        "/api/auth/password-recovery", json={"email": person.email}, headers=headers
    )
    assert answer.status_code == 202, answer.text
    recovery_id: str = answer.json()["data"]["recovery_id"]
    return recovery_id


async def _reset(
    client: httpx.AsyncClient, person: Person, password: str = NEW, **proof: str | None
) -> httpx.Response:
    body = {"new_password": password, **proof}
    headers = {"x-forwarded-for": person.network}
    return await client.post("/api/auth/reset-password", json=body, headers=headers)


async def _only_the_new_password_is_right(
    stack: Stack, client: httpx.AsyncClient, person: Person, after: MailView | None = None
) -> None:
    renewed = Person(person.email, NEW)
    assert (await log_in(client, person)).status_code == 401
    assert (await log_in(client, renewed)).status_code == 200
    if after is not None:
        told = await stack.mail_to(person, after=after)
        assert told.subject == "Your Gatepost password was changed"


async def _done(
    client: httpx.AsyncClient, method: str, path: str, body: dict[str, Any], status: int = 200
) -> dict[str, Any]:
    answer = await client.request(method, f"/api/auth/{path}", json=body)
    assert answer.status_code == status, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data
