"""Wrong passwords make everyone wait longer, nobody for ever, and known and unknown names alike."""

from __future__ import annotations

import secrets
from collections import Counter

import httpx
import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person, fresh_network, log_in, member, outcome
from tests.service_process import ServiceProcess
from tests.user_service.barrage import Shot, at_once
from tests.user_service.time_travel import let_pass

pytestmark = pytest.mark.anyio

LOGIN = "/api/auth/login"
WRONG = (401, "wrong_credentials")
WAIT = (429, "too_many_requests")
BUSY = (503, "overloaded")
WRONG_PASSWORD = "velvet anchor ninety"


def impostor(person: Person, network: str | None = None) -> Person:
    """Somebody who tries a wrong password for a person, from elsewhere or from `network`."""
    return Person(email=person.email, password=WRONG_PASSWORD, network=network or fresh_network())


async def fail(client: httpx.AsyncClient, person: Person, times: int) -> None:
    for _ in range(times):
        assert outcome(await log_in(client, person)) == WRONG


def seconds_to_wait(answer: httpx.Response) -> int:
    assert outcome(answer) == WAIT
    return int(answer.headers["retry-after"])


async def test_after_five_wrong_passwords_even_the_right_one_waits(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    """So no hash was evaluated, or its answer would tell."""
    person = await member(service, mailroom)
    async with service.client() as client:
        await fail(client, impostor(person, person.network), times=5)
        for _ in range(3):
            assert seconds_to_wait(await log_in(client, person)) in range(25, 31)


async def test_the_wait_doubles_up_to_an_hour_and_then_the_right_password_is_let_in(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    thief = impostor(person, person.network)
    async with service.client() as client:
        await fail(client, thief, times=4)
        for wait in (30, 60, 120, 240, 480, 960, 1920, 3600, 3600):
            await fail(client, thief, times=1)
            assert seconds_to_wait(await log_in(client, thief)) in range(wait - 5, wait + 1)
            let_pass(corner, wait)
        assert (await log_in(client, person)).status_code == 200
        # Which clears it all.
        await fail(client, thief, times=4)
        assert (await log_in(client, person)).status_code == 200


async def test_strangers_cannot_lock_an_owner_out(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    """200 wrong passwords from anywhere: the owner waits thirty seconds at most."""
    person = await member(service, mailroom)
    stranger = impostor(person)
    async with service.client() as client:
        body = {"email": person.email, "password": WRONG_PASSWORD}
        for _ in range(4):
            await at_once(service, [Shot(LOGIN, body, fresh_network()) for _ in range(50)])
            let_pass(corner, 30)
        await fail(client, stranger, times=1)
        let_pass(corner, 30)
        await fail(client, stranger, times=1)
        assert seconds_to_wait(await log_in(client, person)) in range(25, 31)
        let_pass(corner, 30)
        assert (await log_in(client, person)).status_code == 200


async def test_failures_are_forgotten_after_fifteen_minutes(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        for _ in range(3):
            await fail(client, impostor(person, person.network), times=4)
            let_pass(corner, 15 * 60 + 1)
        assert (await log_in(client, person)).status_code == 200


async def test_fifty_parallel_right_logins_all_succeed(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    """Keycloak #48272: a race-free count of failures must not make good logins fail."""
    person = await member(service, mailroom)
    hits = await at_once(service, [Shot(LOGIN, person.credentials(), person.network)] * 50)
    assert Counter(hit.status for hit in hits) == {200: 50}
    assert len({hit.body["data"]["token"] for hit in hits}) == 50
    sessions = await corner.fetch(
        "SELECT FROM sessions JOIN accounts ON account_id = accounts.id WHERE email = $1",
        person.email,
    )
    assert len(sessions) == 50


async def test_of_parallel_wrong_passwords_five_are_answered(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    """Keycloak CVE-2024-4629, from as many networks as it takes."""
    person = await member(service, mailroom)
    body = {"email": person.email, "password": WRONG_PASSWORD}
    hits = await at_once(service, [Shot(LOGIN, body, fresh_network()) for _ in range(60)])
    assert Counter((hit.status, hit.code) for hit in hits) == {WRONG: 5, WAIT: 55}
    async with service.client() as client:
        assert seconds_to_wait(await log_in(client, person)) in range(25, 31)


async def test_a_right_password_that_is_judged_after_five_wrong_ones_waits_like_them(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    """Parallel guesses are all hashed; that one of them was right must not show."""
    for _ in range(5):
        person = await member(service, mailroom)
        wrong = {"email": person.email, "password": WRONG_PASSWORD}
        shots = [Shot(LOGIN, wrong, fresh_network()) for _ in range(39)]
        hits = await at_once(service, [*shots, Shot(LOGIN, person.credentials(), fresh_network())])
        outcomes = Counter((hit.status, hit.code) for hit in hits)
        # A right password forgets the up to four wrong ones that came before it.
        assert outcomes[WRONG] <= (9 if outcomes[200, ""] else 5)
        assert set(outcomes) <= {WRONG, WAIT, BUSY, (200, "")}


@pytest.mark.parametrize("by", ["email", "username"])
async def test_known_and_unknown_names_are_throttled_alike(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner, by: str
) -> None:
    known, unknown = Person(), Person()
    names = {}
    for person in (known, unknown):
        names[person.email] = f"n{secrets.token_hex(6)}"
    await member(service, mailroom, email=known.email, username=names[known.email])
    seen: dict[str, list[tuple[object, ...]]] = {known.email: [], unknown.email: []}
    async with service.client() as client:
        for pause in (0, 0, 0, 0, 0, 0, 30, 0, 60, 0, 900 + 120, 0, 0, 0, 0, 0):
            let_pass(corner, pause)
            for person in (known, unknown):
                name = person.email if by == "email" else names[person.email]
                answer = await client.post(
                    LOGIN,
                    json={by: name, "password": WRONG_PASSWORD},
                    headers={"x-forwarded-for": person.network},
                )
                seen[person.email].append(appearance(answer))
    assert seen[known.email] == seen[unknown.email]
    assert {status for status, *_ in seen[known.email]} == {401, 429}


def appearance(answer: httpx.Response) -> tuple[object, ...]:
    """All that a caller sees but for the id. A second may pass between two answers."""
    wait = round(int(answer.headers.get("retry-after", 0)) / 10)
    body = {**answer.json(), "request_id": ""}
    return answer.status_code, body, sorted(answer.headers), wait


async def test_a_usernames_wait_does_not_betray_its_address(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    """Failures count for the name that was typed, never for the account behind it."""
    username = f"n{secrets.token_hex(6)}"
    person = await member(service, mailroom, username=username)
    async with service.client(fresh_network()) as client:
        for _ in range(6):
            by_name = await client.post(
                LOGIN, json={"username": username.upper(), "password": WRONG_PASSWORD}
            )
        assert outcome(by_name) == WAIT
        by_address = await client.post(LOGIN, json=person.credentials())
    assert by_address.status_code == 200
