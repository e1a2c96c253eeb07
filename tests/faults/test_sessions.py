"""Sessions outlive everything that fails around them: no lost answer costs anybody a login."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from itertools import count

import httpx
import pytest

from dev_stack import process_tree
from tests.faults.fault import Fault, dies, each, hangs, refuses
from tests.faults.house import (
    ANSWER_SECONDS,
    KNOWN_OUTAGE_SECONDS,
    House,
    assert_unavailable,
    timed,
    until,
)
from tests.people import SignedIn, member, sign_in
from tests.service_process import ServiceProcess

pytestmark = pytest.mark.anyio

KILLS = 4
HOLDERS = 12


POSTGRES = (refuses("postgres"), hangs("postgres"), dies("postgres"))
OTHERS = (refuses("redis", "redis"), refuses("kafka", "kafka"))


def refresh(client: httpx.AsyncClient, token: str) -> asyncio.Future[httpx.Response]:
    body = {"refresh_token": token}
    return asyncio.ensure_future(client.post("/api/auth/refresh", json=body))


@each(*POSTGRES)
async def test_without_postgres_sessions_are_neither_refreshed_nor_lost(
    house: House, fault: Fault
) -> None:
    ann = await member(house.service, house.mailroom)
    async with house.service.client() as client:
        tokens = await sign_in(client, ann)

        def every_verb() -> list[asyncio.Future[httpx.Response]]:
            asked = [("GET", "sessions"), ("DELETE", "sessions"), ("POST", "logout")]
            requests = [
                client.request(method, f"/api/auth/{path}", headers=tokens.headers)
                for method, path in asked
            ]
            return [refresh(client, tokens.refresh), *map(asyncio.ensure_future, requests)]

        fault.begin(house)
        first = await asyncio.gather(*map(timed, every_verb()))
        known = [await timed(asked) for _ in range(3) for asked in every_verb()]
        fault.end(house)
        for answer, seconds in [*first, *known]:
            assert_unavailable(answer)
            assert seconds < ANSWER_SECONDS
        assert sorted(seconds for _, seconds in known)[6] < KNOWN_OUTAGE_SECONDS

        async def works() -> bool:
            answer = await refresh(client, tokens.refresh)
            assert answer.status_code in (200, 503), answer.text
            return answer.status_code == 200

        await until(works)
        # Whatever the outage has done of it: the same token still buys the same successor.
        answers = [await refresh(client, tokens.refresh) for _ in range(2)]
        assert len({answer.json()["data"]["refresh_token"] for answer in answers}) == 1
    assert house.unexpected() == []


@each(*OTHERS)
async def test_sessions_need_neither_redis_nor_kafka(house: House, fault: Fault) -> None:
    ann = await member(house.service, house.mailroom)
    async with house.service.client() as client:
        tokens = await sign_in(client, ann)
        fault.begin(house)
        answer, seconds = await timed(refresh(client, tokens.refresh))
        assert (answer.status_code, seconds < 1) == (200, True)
        out, seconds = await timed(client.post("/api/auth/logout", headers=tokens.headers))
        assert (out.status_code, seconds < 1) == (200, True)
        assert (await refresh(client, tokens.refresh)).status_code == 401
        fault.end(house)


@dataclass
class Holder:
    """Somebody who goes on refreshing, and after a lost answer asks for the same again."""

    tokens: SignedIn
    refreshes: int = 0

    async def hold(self, service: ServiceProcess, stopping: asyncio.Event) -> None:
        async with service.client() as client:
            while not stopping.is_set():
                answer = await refresh(client, self.tokens.refresh)
                assert answer.status_code == 200, answer.text
                data = answer.json()["data"]
                self.tokens = SignedIn(data["token"], data["refresh_token"])
                self.refreshes += 1


async def test_a_service_that_is_killed_again_and_again_costs_nobody_the_session(
    house: House,
) -> None:
    people = [await member(house.service, house.mailroom) for _ in range(HOLDERS)]
    async with house.service.client() as client:
        holders = [Holder(await sign_in(client, person)) for person in people]
    for kill in count(1):
        with ServiceProcess.started(house.corner.variables) as service:
            stopping = asyncio.Event()
            holding = [asyncio.create_task(each.hold(service, stopping)) for each in holders]
            before = sum(each.refreshes for each in holders)
            while sum(each.refreshes for each in holders) < before + 5 * HOLDERS:
                await asyncio.sleep(0.01)
                assert not any(task.done() for task in holding)
            if kill > KILLS:
                stopping.set()
                await asyncio.gather(*holding)
                return
            process_tree.send(service.process.pid, signal.SIGKILL)
            service.process.wait()
            for outcome in await asyncio.gather(*holding, return_exceptions=True):
                assert isinstance(outcome, httpx.TransportError), outcome
