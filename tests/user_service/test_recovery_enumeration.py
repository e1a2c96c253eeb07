"""No answer, event, row or time of a recovery tells whether an address has an account."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
import redis

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person, fresh_address, member, outcome, wrong
from tests.recoveries import (
    NEW_PASSWORD,
    ask_to_recover,
    recover,
    reset,
    reset_by_link,
    submit,
)
from tests.service_process import ServiceProcess
from tests.unlimited import UNLIMITED
from tests.untraced import UNTRACED
from tests.user_service.telling_apart import COST, accounts_with, addresses, auc_of

pytestmark = pytest.mark.anyio

VARYING = re.compile(r'"(?:recovery_id|request_id)":"[^"]*"')
WRONG = (400, "wrong_code")


@pytest.fixture(scope="module")
def unlimited(corner: Corner) -> Iterator[ServiceProcess]:
    with ServiceProcess.started(corner.variables, **UNLIMITED) as service:
        yield service


@pytest.fixture
async def kinds(unlimited: ServiceProcess, mailroom: Mailroom, corner: Corner) -> dict[str, Person]:
    """Somebody with an account, without a password, with a disabled account, and without any."""
    people = {
        kind: await member(unlimited, mailroom) for kind in ("active", "passwordless", "disabled")
    }
    await corner.fetch(
        "UPDATE accounts SET password_hash = NULL WHERE email = $1", people["passwordless"].email
    )
    await corner.fetch(
        "UPDATE accounts SET status = 'disabled' WHERE email = $1", people["disabled"].email
    )
    length = len(people["active"].email) - len("@example.org")
    nobody = secrets.token_hex(length)[:length] + "@example.org"
    return people | {"nobody": Person(email=nobody)}


def shape(answer: httpx.Response) -> tuple[int, str, list[tuple[str, int]]]:
    """What may be compared: the status, the body without ids, headers' names and lengths."""
    headers = sorted((name, len(value)) for name, value in answer.headers.items())
    return answer.status_code, VARYING.sub("#", answer.text), headers


async def test_every_answer_is_alike_until_the_right_code(
    unlimited: ServiceProcess, mailroom: Mailroom, kinds: dict[str, Person]
) -> None:
    shapes: dict[str, list[tuple[int, str, list[tuple[str, int]]]]] = {}
    async with unlimited.client() as client:
        for kind, person in kinds.items():
            asked = await ask_to_recover(client, person)
            id = asked.json()["data"]["recovery_id"]
            code = mailroom.code(id)
            answers = [
                asked,
                await reset(client, person, id, wrong(code), "short"),
                await reset(client, person, id, wrong(code), "password123"),
                await reset(client, person, secrets.token_urlsafe(24), code),
                await reset_by_link(client, person, f"{id}.{'A' * 43}"),
                await submit(client, person, email=person.email, new_password=NEW_PASSWORD),
                *[await reset(client, person, id, wrong(code)) for _ in range(6)],
            ]
            shapes[kind] = [shape(answer) for answer in answers]
    for kind, found in shapes.items():
        assert found == shapes["active"], kind
    statuses = [status for status, _, _ in shapes["nobody"]]
    assert statuses == [202, 400, 400, 410, 400, 400, *[400] * 5, 429]


async def test_after_its_end_no_guess_tells_that_the_owner_has_used_the_mail(
    unlimited: ServiceProcess, mailroom: Mailroom, corner: Corner, kinds: dict[str, Person]
) -> None:
    """A stranger asks for the code, the owner follows the mail's link, and the stranger guesses."""
    owner, nobody = kinds["active"], kinds["nobody"]
    async with unlimited.client() as client:
        used, unused = [await recover(client, person) for person in (owner, nobody)]
        link_token = mailroom.link_token(used)
        assert (await reset_by_link(client, owner, link_token)).status_code == 200
        with redis.Redis.from_url(corner.redis_url) as store:
            for id in (used, unused):
                store.hset(f"challenge:recover:{id}", "expires", 1)
        code = mailroom.code(used)
        for _ in range(7):
            of_used = await reset(client, owner, used, wrong(code))
            of_unused = await reset(client, nobody, unused, wrong(code))
            assert shape(of_used) == shape(of_unused)
            assert outcome(of_used) == (410, "code_expired")
        assert (await reset_by_link(client, owner, link_token)).status_code == 200


async def test_what_is_nobodys_refuses_even_what_its_event_would_derive(
    unlimited: ServiceProcess, mailroom: Mailroom, kinds: dict[str, Person]
) -> None:
    async with unlimited.client() as client:
        for kind in ("disabled", "nobody"):
            person = kinds[kind]
            id = await recover(client, person)
            for _ in range(2):
                assert outcome(await reset(client, person, id, mailroom.code(id))) == WRONG
                by_link = await reset_by_link(client, person, mailroom.link_token(id))
                assert outcome(by_link) == WRONG
        for kind in ("active", "passwordless"):
            person = kinds[kind]
            id = await recover(client, person)
            assert (await reset(client, person, id, mailroom.code(id))).status_code == 200


async def test_events_are_alike_but_for_the_mail_that_they_ask_for(
    unlimited: ServiceProcess, mailroom: Mailroom, kinds: dict[str, Person]
) -> None:
    messages = {}
    async with unlimited.client() as client:
        for kind, person in kinds.items():
            id = await recover(client, person)
            event = mailroom.about(id)
            assert (event.purpose, event.address) == ("recover", person.email)
            message: Any = mailroom.raw[mailroom.events.index(event)]
            assert message.key() == id.encode()
            headers = [(name, len(value)) for name, value in message.headers()]
            fields = list(msgspec.json.decode(message.value()))
            messages[kind] = (fields, headers, len(message.value()) - len(person.email))
    assert list(messages.values()) == [messages["nobody"]] * 4
    emails = {kind: mailroom.all_to(person.email)[-1].email for kind, person in kinds.items()}
    assert emails == {
        "active": "one-time-code",
        "passwordless": "one-time-code",
        "disabled": "decoy-message",
        "nobody": "decoy-message",
    }


async def test_as_much_is_written_for_nobody_as_for_somebody(
    unlimited: ServiceProcess, corner: Corner, kinds: dict[str, Person]
) -> None:
    written, stored = {}, {}
    with redis.Redis.from_url(corner.redis_url) as store:
        async with unlimited.client() as client:
            for kind, person in kinds.items():
                tables = "SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM audit)"
                (before,) = await corner.fetch(tables)
                id = await recover(client, person)
                (after,) = await corner.fetch(tables)
                written[kind] = [
                    later - earlier for earlier, later in zip(before, after, strict=True)
                ]
                (row,) = await corner.fetch(
                    "SELECT topic, octet_length(key), decoy FROM outbox ORDER BY id DESC LIMIT 1"
                )
                assert row["decoy"] == (kind in ("disabled", "nobody"))
                fields: Any = store.hgetall(f"challenge:recover:{id}")
                stored[kind] = {
                    name: len(value) for name, value in fields.items() if name != b"address"
                }
    assert list(written.values()) == [[1, 1]] * 4
    assert list(stored.values()) == [stored["nobody"]] * 4


async def test_addresses_are_limited_alike(service: ServiceProcess, mailroom: Mailroom) -> None:
    known, nobody = await member(service, mailroom), Person()
    shapes = []
    async with service.client() as client:
        for person in (known, nobody):
            answers = [await ask_to_recover(client, person) for _ in range(3)]
            shapes.append([(status, headers) for status, _, headers in map(shape, answers)])
            assert [outcome(answer) for answer in answers[1:]] == [(429, "too_many_requests")] * 2
    assert shapes[0] == shapes[1]
    assert len(mailroom.all_to(nobody.email)) == 1


# -- time ----------------------------------------------------------------------------------------


@pytest.fixture
def own(worker_id: str) -> Iterator[Corner]:
    """A database of its own, that nothing else writes to meanwhile."""
    number = int(re.sub(r"\D", "", worker_id) or 0)
    with Corner.made(f"recoverytiming{8 + number}") as corner:
        yield corner


async def test_time_does_not_tell_a_known_from_an_unknown_address(own: Corner) -> None:
    known, unknown = addresses("known"), addresses("guess")
    await accounts_with(own, known, [COST])
    with ServiceProcess.started(own.variables, **UNLIMITED, **COST, **UNTRACED) as service:
        async with service.client() as client:
            ids = {}

            async def asks(address: str) -> httpx.Response:
                answer = await ask_to_recover(client, Person(email=address))
                ids[address] = answer.json()["data"]["recovery_id"]
                return answer

            async def guesses(address: str) -> httpx.Response:
                return await reset(client, Person(email=address), ids[address], "000000")

            for _ in range(40):
                await asks(fresh_address())
            asked = await auc_of(asks, known, unknown, 202)
            guessed = await auc_of(guesses, known, unknown, 400)
    assert 0.40 <= asked <= 0.60
    assert 0.40 <= guessed <= 0.60
