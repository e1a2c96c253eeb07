"""Nothing that a change of address answers, asks for or costs tells whether it is taken."""

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
from tests.people import fresh_address, member, wrong
from tests.service_process import ServiceProcess
from tests.unlimited import UNLIMITED
from tests.untraced import UNTRACED
from tests.user_service.moving import Mover
from tests.user_service.telling_apart import COST, accounts_with, addresses, auc_of

pytestmark = pytest.mark.anyio

VARYING = re.compile(r'"(?:change_id|request_id)":"[^"]*"')


@pytest.fixture(scope="module")
def unlimited(corner: Corner) -> Iterator[ServiceProcess]:
    with ServiceProcess.started(corner.variables, **UNLIMITED) as service:
        yield service


@pytest.fixture
async def wishes(unlimited: ServiceProcess, mailroom: Mailroom, corner: Corner) -> dict[str, str]:
    """Addresses of one length: of somebody else, of a disabled account, and of nobody."""
    free, taken, disabled = (f"{secrets.token_hex(6)}@example.org" for _ in range(3))
    for address in (taken, disabled):
        await member(unlimited, mailroom, email=address)
    await corner.fetch("UPDATE accounts SET status = 'disabled' WHERE email = $1", disabled)
    return {"free": free, "taken": taken, "disabled": disabled}


def shape(answer: httpx.Response) -> tuple[int, str, list[tuple[str, int]]]:
    """What may be compared: the status, the body without ids, headers' names and lengths."""
    headers = sorted((name, len(value)) for name, value in answer.headers.items())
    return answer.status_code, VARYING.sub("#", answer.text), headers


async def test_every_answer_is_alike_until_the_right_code(
    unlimited: ServiceProcess, mailroom: Mailroom, wishes: dict[str, str]
) -> None:
    mover = await Mover.ready(unlimited, mailroom)
    found: dict[str, list[tuple[int, str, list[tuple[str, int]]]]] = {}
    async with unlimited.client() as client:
        for kind, mover.wanted in wishes.items():
            asked = await mover.ask(client)
            code = mailroom.code(asked.json()["data"]["change_id"])
            answers = [
                await mover.ask(client, password="not the password"),
                *[await mover.verify(client, wrong(code)) for _ in range(6)],
                await mover.verify(client, code),
            ]
            found[kind] = [shape(answer) for answer in (asked, *answers)]
    assert found["taken"] == found["disabled"] == found["free"]
    assert [status for status, _, _ in found["free"]] == [202, 403, *[400] * 5, 429, 429]


async def test_events_and_challenges_are_alike_but_for_the_mail(
    unlimited: ServiceProcess, mailroom: Mailroom, corner: Corner, wishes: dict[str, str]
) -> None:
    mover = await Mover.ready(unlimited, mailroom)
    found: dict[str, Any] = {}
    mails = []
    async with unlimited.client() as client:
        for kind, mover.wanted in wishes.items():
            id = await mover.begin(client)
            event = mailroom.about(id)
            message: Any = mailroom.raw[mailroom.events.index(event)]
            assert message.key() == id.encode()
            mails.append(event.email)
            with redis.Redis.from_url(corner.redis_url) as connection:
                held: Any = connection.hgetall(f"challenge:change-email:{id}")
            found[kind] = (
                list(msgspec.json.decode(message.value())),
                len(message.value()),
                [(name, len(value)) for name, value in message.headers()],
                {name: len(value) for name, value in held.items()},
            )
    assert found["taken"] == found["disabled"] == found["free"]
    assert mails == ["one-time-code", "address-taken", "address-taken"]


async def test_time_does_not_tell_a_taken_from_a_free_address(
    corner: Corner, mailroom: Mailroom
) -> None:
    taken, free = addresses("known"), addresses("guess")
    await accounts_with(corner, taken, [COST])
    with ServiceProcess.started(corner.variables, **UNLIMITED, **UNTRACED) as service:
        mover = await Mover.ready(service, mailroom)
        async with service.client() as client:

            async def ask(address: str) -> httpx.Response:
                return await mover.ask(client, new_email=address)

            for _ in range(20):
                await ask(fresh_address())
            auc = await auc_of(ask, taken, free, 202)
    await corner.fetch("DELETE FROM accounts WHERE email = ANY($1)", taken)
    assert 0.40 <= auc <= 0.60
