"""Other services go on asking about tokens while the parts behind us fail."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.faults.fault import Fault, each
from tests.faults.house import (
    ANSWER_SECONDS,
    KNOWN_OUTAGE_SECONDS,
    House,
    assert_unavailable,
    timed,
    until,
)
from tests.faults.test_sessions import OTHERS, POSTGRES
from tests.people import Person, member, sign_in
from tests.user_service.services import OtherService, registered

pytestmark = pytest.mark.anyio

Asked = asyncio.Future[httpx.Response]
FORM_PATHS = ("/introspect", "/revoke")


def form(client: httpx.AsyncClient, billing: OtherService, path: str, token: str) -> Asked:
    return asyncio.ensure_future(
        client.post(path, data={"token": token}, auth=(billing.id, billing.secret))
    )


def password_grant(client: httpx.AsyncClient, person: Person) -> Asked:
    fields = {"grant_type": "password", "username": person.email, "password": person.password}
    return asyncio.ensure_future(client.post("/token", data=fields))


def assert_says_unavailable(answer: httpx.Response) -> None:
    """The same refusal in the shape of RFC 6749."""
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("known", [True, False], ids=["known client", "new client"])
@each(*POSTGRES)
async def test_without_postgres_nobody_is_told_that_a_token_is_good_or_bad(
    house: House, fault: Fault, known: bool
) -> None:
    """An {"active":false} would log everybody out of every service; an ended session is not live
    because we cannot look."""
    billing = registered(house.corner, house.service)
    ann = await member(house.service, house.mailroom)
    async with house.service.client() as client:
        tokens = await sign_in(client, ann)
        if known:
            assert (await form(client, billing, "/introspect", tokens.access)).json()["active"]

        async def every_verb() -> list[float]:
            doors = [(path, t) for path in FORM_PATHS for t in (tokens.access, tokens.refresh)]
            asked = [form(client, billing, path, token) for path, token in doors]
            asked.append(password_grant(client, ann))
            validate = timed(client.post("/validate", headers=tokens.headers))
            answers = await asyncio.gather(*map(timed, asked), validate)
            for answer, _ in answers[:-1]:
                assert_says_unavailable(answer)
            assert_unavailable(answers[-1][0])
            return [seconds for _, seconds in answers]

        fault.begin(house)
        assert max(await every_verb()) < ANSWER_SECONDS
        known_outage = [seconds for _ in range(3) for seconds in await every_verb()]
        fault.end(house)
        assert sorted(known_outage)[len(known_outage) // 2] < KNOWN_OUTAGE_SECONDS

        async def works() -> bool:
            answer = await form(client, billing, "/introspect", tokens.access)
            assert answer.status_code in (200, 503), answer.text
            return answer.status_code == 200 and answer.json()["active"]

        await until(works)


@each(*OTHERS)
async def test_tokens_are_checked_and_ended_without_redis_and_without_kafka(
    house: House, fault: Fault
) -> None:
    billing = registered(house.corner, house.service)
    ann = await member(house.service, house.mailroom)
    async with house.service.client() as client:
        tokens = await sign_in(client, ann)
        fault.begin(house)
        for token in (tokens.access, tokens.refresh):
            answer, seconds = await timed(form(client, billing, "/introspect", token))
            assert (answer.json()["active"], seconds < 1) == (True, True)
        answer = await client.post("/validate", headers=tokens.headers)
        assert answer.json()["valid"] is True
        # Login's throttle has a way of its own without Redis, and so has this grant.
        answer, seconds = await timed(password_grant(client, ann))
        assert (answer.status_code, seconds < ANSWER_SECONDS) == (200, True)
        answer, seconds = await timed(form(client, billing, "/revoke", tokens.refresh))
        assert (answer.status_code, seconds < 1) == (200, True)
        for token in (tokens.access, tokens.refresh):
            answer = await form(client, billing, "/introspect", token)
            assert answer.content == b'{"active":false}'
        fault.end(house)
