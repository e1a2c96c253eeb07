"""No answer, event or time tells whether an address has an account."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import bcrypt
import httpx
import msgspec
import pytest

from shared.events import SendOtp
from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import PASSWORD, Person, fresh_address, log_in, member, verify, wrong
from tests.service_process import ServiceProcess
from tests.unlimited import UNLIMITED
from tests.untraced import UNTRACED
from tests.user_service.telling_apart import (
    COST,
    OTHER_COST,
    Call,
    accounts_with,
    addresses,
    auc_of,
)
from user_service.identity.password_hashes import canonical_digest

pytestmark = pytest.mark.anyio

VARYING = re.compile(r'"(?:registration_id|request_id)":"[^"]*"')


@pytest.fixture(scope="module")
def unlimited(corner: Corner) -> Iterator[ServiceProcess]:
    with ServiceProcess.started(corner.variables, **UNLIMITED) as service:
        yield service


def _shape(answer: httpx.Response) -> tuple[int, str, list[tuple[str, int]]]:
    """What may be compared: the status, the body without ids, headers' names and lengths."""
    headers = sorted((name, len(value)) for name, value in answer.headers.items())
    return answer.status_code, VARYING.sub("#", answer.text), headers


async def _attempt(client: httpx.AsyncClient, address: str) -> tuple[httpx.Response, str]:
    answer = await client.post("/api/auth/register", json=Person(email=address).registration())
    client.cookies.clear()
    return answer, answer.json()["data"]["registration_id"]


def _raw(mailroom: Mailroom, registration_id: str, sequence: int) -> Any:
    event = mailroom.about(registration_id, sequence)
    return mailroom.raw[mailroom.events.index(event)]


@pytest.fixture
async def pair(unlimited: ServiceProcess, mailroom: Mailroom) -> tuple[str, str]:
    """A taken and a free address of one length."""
    person = await member(unlimited, mailroom)
    free = secrets.token_hex(len(person.email))[: len(person.email) - 12] + "@example.org"
    return person.email, free


async def test_register_resend_and_verify_answer_alike_for_taken_and_free(
    unlimited: ServiceProcess, mailroom: Mailroom, pair: tuple[str, str]
) -> None:
    async with unlimited.client() as client:
        answers: list[list[httpx.Response]] = []
        for address in pair:
            registered, id = await _attempt(client, address)
            resent = await client.post("/api/auth/resend-otp", json={"registration_id": id})
            client.cookies.clear()
            code = mailroom.code(id, sequence=2)
            guess = Person(email=address)
            guesses = [await verify(client, guess, id, wrong(code)) for _ in range(6)]
            spent = await client.post("/api/auth/resend-otp", json={"registration_id": id})
            answers.append([registered, resent, *guesses, spent])
    for taken, free in zip(*answers, strict=True):
        assert _shape(taken) == _shape(free)
    statuses = [answer.status_code for answer in answers[0]]
    assert statuses == [202, 202, 400, 400, 400, 400, 400, 429, 429]


async def test_events_are_alike_but_for_the_mail_that_they_ask_for(
    unlimited: ServiceProcess, mailroom: Mailroom, pair: tuple[str, str]
) -> None:
    async with unlimited.client() as client:
        ids = []
        for address in pair:
            _, id = await _attempt(client, address)
            await client.post("/api/auth/resend-otp", json={"registration_id": id})
            client.cookies.clear()
            ids.append(id)
    for sequence in (1, 2):
        taken, free = (_raw(mailroom, id, sequence) for id in ids)
        assert len(taken.value()) == len(free.value())
        decoded = [msgspec.json.decode(raw.value()) for raw in (taken, free)]
        assert [list(event) for event in decoded] == [list(decoded[0])] * 2
        assert (decoded[0]["email"], decoded[1]["email"]) == ("address-taken", "one-time-code")
        assert [raw.key().decode() for raw in (taken, free)] == ids
        names, sizes = (
            [[part(header) for header in raw.headers()] for raw in (taken, free)]
            for part in (lambda header: header[0], lambda header: len(header[1]))
        )
        assert names[0] == names[1]
        assert sizes[0] == sizes[1]
    for id in ids:
        assert len([event for event in mailroom.events if event.challenge_id == id]) == 2


async def test_a_taken_attempt_refuses_five_guesses_and_then_is_spent(
    unlimited: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(unlimited, mailroom)
    async with unlimited.client() as client:
        _, id = await _attempt(client, person.email)
        # Even the code that its event would derive is refused: the mail holds none.
        code = mailroom.code(id)
        answers = [await verify(client, person, id, code) for _ in range(7)]
    codes = [answer.json()["code"] for answer in answers]
    assert codes == ["wrong_code"] * 5 + ["guesses_spent"] * 2
    assert len(await corner.fetch("SELECT FROM accounts WHERE email = $1", person.email)) == 1


async def test_a_taken_address_cannot_get_another_password_by_registering(
    unlimited: ServiceProcess, mailroom: Mailroom
) -> None:
    person = await member(unlimited, mailroom)
    other = Person(email=person.email, password="velvet anchor tuesday")
    async with unlimited.client() as client:
        answer = await client.post("/api/auth/register", json=other.registration())
        id = answer.json()["data"]["registration_id"]
        await verify(client, other, id, mailroom.code(id))
        assert (await log_in(client, other)).status_code == 401
        assert (await log_in(client, person)).status_code == 200


async def test_a_username_is_refused_before_the_address_is_looked_at(
    unlimited: ServiceProcess, mailroom: Mailroom, pair: tuple[str, str]
) -> None:
    name = f"u{secrets.token_hex(4)}"
    await member(unlimited, mailroom, username=name)
    async with unlimited.client() as client:
        answers = [
            await client.post(
                "/api/auth/register", json=Person(email=address).registration(username=name)
            )
            for address in pair
        ]
    assert _shape(answers[0]) == _shape(answers[1])
    assert answers[0].status_code == 409
    assert not mailroom.to(pair[1])


async def test_a_login_is_refused_alike_whatever_is_wrong(
    unlimited: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    known, disabled, pending = (
        await member(unlimited, mailroom),
        await member(unlimited, mailroom),
        Person(),
    )
    await corner.fetch("UPDATE accounts SET status = 'disabled' WHERE email = $1", disabled.email)
    name = f"u{secrets.token_hex(4)}"
    await member(unlimited, mailroom, username=name)
    async with unlimited.client() as client:
        await _attempt(client, pending.email)

        async def refused(password: str, **identifier: str) -> tuple[Any, ...]:
            body = {**identifier, "password": password}
            return _shape(await client.post("/api/auth/login", json=body))

        answers = [
            await refused("not the password", email=known.email),
            await refused("not the password", email=fresh_address()),
            await refused("not the password", email=disabled.email),
            await refused(PASSWORD, email=disabled.email),
            await refused(PASSWORD, email=pending.email),
            await refused("not the password", username=name),
            await refused("not the password", username=f"u{secrets.token_hex(4)}"),
            await refused("x" * 128, email=known.email),
            await refused("x" * 128, email=fresh_address()),
        ]
        assert answers == [answers[0]] * len(answers)
        assert answers[0][0] == 401
        for password in ("", "x" * 257):
            assert await refused(password, email=known.email) == await refused(
                password, email=fresh_address()
            )


# -- time ----------------------------------------------------------------------------------------


@pytest.fixture
def own(worker_id: str) -> Iterator[Corner]:
    """A database of its own: dummy hashes cost what all accounts in it cost."""
    number = int(re.sub(r"\D", "", worker_id) or 0)
    with Corner.made(f"timing{8 + number}") as corner:
        yield corner


@asynccontextmanager
async def _logins(service: ServiceProcess) -> AsyncIterator[Call]:
    async with service.client() as client:

        async def log_in_as(address: str) -> httpx.Response:
            body = {"email": address, "password": "not the password"}
            return await client.post("/api/auth/login", json=body)

        for _ in range(20):
            await log_in_as(fresh_address())
        yield log_in_as


async def test_time_does_not_tell_a_known_from_an_unknown_name_at_login(own: Corner) -> None:
    known, unknown = addresses("known"), addresses("guess")
    await accounts_with(own, known, [COST])
    with ServiceProcess.started(own.variables, **UNLIMITED, **COST, **UNTRACED) as service:
        await _dummies_follow()
        async with _logins(service) as log_in_as:
            auc = await auc_of(log_in_as, known, unknown, 401)
    assert 0.40 <= auc <= 0.60


async def test_time_does_not_tell_accounts_hashed_at_another_cost_or_elsewhere(
    own: Corner,
) -> None:
    known, unknown = addresses("known"), addresses("guess")
    elsewhere = canonical_digest(bcrypt.hashpw(b"x" * 20, bcrypt.gensalt(8)).decode())
    await accounts_with(own, known, [COST, OTHER_COST], elsewhere)
    with ServiceProcess.started(own.variables, **UNLIMITED, **COST, **UNTRACED) as service:
        await _dummies_follow()
        async with _logins(service) as log_in_as:
            auc = await auc_of(log_in_as, known, unknown, 401)
    assert 0.40 <= auc <= 0.60


async def _dummies_follow() -> None:
    """A process reads what hashes cost right after its start."""
    await asyncio.sleep(0.5)


async def test_time_does_not_tell_a_taken_from_a_free_address_at_register(own: Corner) -> None:
    taken, free = addresses("known"), addresses("guess")
    await accounts_with(own, taken, [COST])
    with ServiceProcess.started(own.variables, **UNLIMITED, **UNTRACED) as service:
        async with service.client() as client:

            async def registers(address: str) -> httpx.Response:
                client.cookies.clear()
                body = {"name": "Ann", "email": address, "password": PASSWORD}
                return await client.post("/api/auth/register", json=body)

            for _ in range(20):
                await registers(fresh_address())
            auc = await auc_of(registers, taken, free, 202)
    assert 0.40 <= auc <= 0.60


def test_every_kind_of_mail_has_a_name_of_one_length() -> None:
    kinds = msgspec.inspect.type_info(SendOtp)
    assert isinstance(kinds, msgspec.inspect.StructType)
    (field,) = [field for field in kinds.fields if field.name == "email"]
    assert isinstance(field.type, msgspec.inspect.LiteralType)
    assert len({len(str(name)) for name in field.type.values}) == 1
