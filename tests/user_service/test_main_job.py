"""Register → code → verify → log in → profile, through HTTP."""

from __future__ import annotations

import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person, log_in, member, register, verify, wrong
from tests.service_process import ServiceProcess

pytestmark = pytest.mark.anyio


async def test_a_person_registers_verifies_logs_in_and_reads_the_profile(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = Person(name="Ann-Sofie Ünal")
    async with service.client() as client:
        registration_id = await register(client, person)
        verified = await verify(client, person, registration_id, mailroom.code(registration_id))
        assert verified.status_code == 201
        user = verified.json()["data"]["user"]

        logged_in = await log_in(client, person)
        assert logged_in.status_code == 200
        token = logged_in.json()["data"]
        assert token["token_type"] == "Bearer"
        assert token["expires_in"] == 900

        for path in ("/api/auth/profile", "/v1/me"):
            profile = await client.get(path, headers={"authorization": f"Bearer {token['token']}"})
            assert profile.status_code == 200
            assert profile.json()["data"]["user"] == user
    assert user["email"] == person.email
    assert user["name"] == "Ann-Sofie Ünal"
    assert user["username"] is None


async def test_the_same_verification_succeeds_again_without_a_second_row_or_event(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = Person()
    async with service.client() as client:
        registration_id = await register(client, person)
        code = mailroom.code(registration_id)
        answers = [await verify(client, person, registration_id, code) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert len({answer.json()["data"]["user"]["id"] for answer in answers}) == 1
    user_id = answers[0].json()["data"]["user"]["id"]
    assert len(await corner.fetch("SELECT FROM accounts WHERE email = $1", person.email)) == 1
    events = await corner.fetch("SELECT FROM outbox WHERE key = $1", user_id)
    assert len(events) == 1


async def test_a_wrong_code_is_refused_and_the_right_one_still_counts(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = Person()
    async with service.client() as client:
        registration_id = await register(client, person)
        code = mailroom.code(registration_id)
        refused = await verify(client, person, registration_id, wrong(code))
        assert (refused.status_code, refused.json()["code"]) == (400, "wrong_code")
        assert (await verify(client, person, registration_id, code)).status_code == 201


async def test_a_username_logs_in_and_is_public(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = await member(service, mailroom, username="Ann.Of-Green_Gables")
    async with service.client(person.network) as client:
        answer = await client.post(
            "/api/auth/login",
            json={"username": "ann.of-green_GABLES", "password": person.password},
        )
        assert answer.status_code == 200
        assert answer.json()["data"]["user"]["username"] == "ann.of-green_gables"
        taken = await client.post(
            "/api/auth/register",
            json=Person().registration(username="ann.of-green_gables"),
        )
        assert (taken.status_code, taken.json()["code"]) == (409, "username_taken")
