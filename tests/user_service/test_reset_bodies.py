"""Either a link's token, or a code with its address and recovery: nothing in between."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from tests.mailroom import Mailroom
from tests.people import Person, log_in, member, outcome
from tests.recoveries import NEW_PASSWORD, recover, reset, submit
from tests.service_process import ServiceProcess

pytestmark = pytest.mark.anyio

INVALID = (400, "invalid_request")
TYPED = {"email": "somebody@example.org", "otp": "123456", "recovery_id": "r" * 32}
TOKEN = f"{'r' * 32}.{'t' * 43}"
SOME = [chosen for size in range(4) for chosen in combinations(TYPED, size)]


async def refused_fields(service: ServiceProcess, **body: Any) -> set[str]:
    async with service.client() as client:
        answer = await submit(client, Person(), **body)
    assert outcome(answer) == INVALID, answer.text
    return {error["field"] for error in answer.json()["errors"]}


@pytest.mark.parametrize("chosen", SOME, ids="+".join)
async def test_what_is_missing_or_too_much_is_named(
    service: ServiceProcess, chosen: tuple[str, ...]
) -> None:
    body = {name: TYPED[name] for name in chosen}
    if missing := set(TYPED) - set(chosen):
        assert await refused_fields(service, new_password=NEW_PASSWORD, **body) == missing
    if chosen:
        found = await refused_fields(service, new_password=NEW_PASSWORD, token=TOKEN, **body)
        assert found == set(chosen)
    assert await refused_fields(service, **body) == {"new_password"}


@pytest.mark.parametrize("value", [1, 1.5, True, [], [TOKEN], {}, "", "x", TOKEN * 2, TOKEN + "\n"])
async def test_a_token_of_another_shape_is_refused_by_name(
    service: ServiceProcess, value: object
) -> None:
    assert await refused_fields(service, new_password=NEW_PASSWORD, token=value) == {"token"}


@pytest.mark.parametrize(
    "otp",
    [123456, "１２３４５６", " 123456", "123456\n", "12345", "1234567", "", True, ["123456"], {}],
    ids=ascii,
)
async def test_a_code_of_another_shape_is_refused_without_a_guess(
    service: ServiceProcess, mailroom: Mailroom, otp: object
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        id = await recover(client, person)
        code = mailroom.code(id)
        dressed = otp.replace("123456", code) if isinstance(otp, str) else otp
        for _ in range(6):
            body = {"email": person.email, "otp": dressed, "recovery_id": id}
            found = await refused_fields(service, new_password=NEW_PASSWORD, **body)
            assert found == {"otp"}
        assert (await reset(client, person, id, code)).status_code == 200


@pytest.mark.parametrize("value", [1, True, [], {}, None, "", "x" * 257])
async def test_a_new_password_of_another_shape_is_refused_without_a_guess(
    service: ServiceProcess, mailroom: Mailroom, value: object
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        id = await recover(client, person)
        code = mailroom.code(id)
        for _ in range(6):
            body = {"email": person.email, "otp": code, "recovery_id": id}
            assert await refused_fields(service, new_password=value, **body) == {"new_password"}
        assert (await log_in(client, person)).status_code == 200
        assert (await reset(client, person, id, code)).status_code == 200


@pytest.mark.parametrize("email", ["", "x", "a@b@c", "mıke@example.org", "a@example.org\n", 1, []])
async def test_an_address_of_another_shape_is_refused_by_name(
    service: ServiceProcess, email: object
) -> None:
    body = {**TYPED, "email": email}
    assert await refused_fields(service, new_password=NEW_PASSWORD, **body) == {"email"}
    async with service.client() as client:
        answer = await client.post("/api/auth/password-recovery", json={"email": email})
        assert outcome(answer) == INVALID
        assert {error["field"] for error in answer.json()["errors"]} == {"email"}
