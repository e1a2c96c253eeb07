"""Tokens that are asked about, refreshed and revoked in the same instant."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter

import httpx
import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person, member, sign_in
from tests.service_process import ServiceProcess
from tests.user_service.ledger import held, id_of, told
from tests.user_service.services import OtherService, registered
from tests.user_service.telling_apart import auc

pytestmark = pytest.mark.anyio

INACTIVE = b'{"active":false}'
ROUNDS = 300


@pytest.fixture(scope="module")
def billing(corner: Corner, service: ServiceProcess) -> OtherService:
    return registered(corner, service)


@pytest.fixture
async def ann(service: ServiceProcess, mailroom: Mailroom) -> Person:
    return await member(service, mailroom)


def asking(
    client: httpx.AsyncClient, by: OtherService, path: str, token: str
) -> asyncio.Task[httpx.Response]:
    request = client.post(path, data={"token": token}, auth=(by.id, by.secret))
    return asyncio.ensure_future(request)


async def test_a_session_that_twenty_revoke_at_once_ends_once(
    service: ServiceProcess, corner: Corner, billing: OtherService, ann: Person
) -> None:
    account_id = await id_of(corner, ann.email)
    async with service.client() as client:
        tokens = await sign_in(client, ann)
        async with held(corner, account_id) as lock:
            asked = [
                asking(client, billing, "/revoke", token)
                for token in (tokens.access, tokens.refresh) * 10
            ]
            await lock.waiting(2)
            # They hold none of its sessions meanwhile, or whoever changes both would be stuck.
            await lock.execute(
                "UPDATE sessions SET last_used_at = now() WHERE account_id = $1", account_id
            )
        answers = await asyncio.gather(*asked)
        assert Counter(answer.status_code for answer in answers) == {200: 20}
        assert len(await told(corner, account_id, "sessions_revoked")) == 1


async def test_a_refresh_that_meets_a_revocation_leaves_nothing_alive(
    service: ServiceProcess, corner: Corner, billing: OtherService, ann: Person
) -> None:
    account_id = await id_of(corner, ann.email)
    async with service.client() as client:
        for _ in range(10):
            tokens = await sign_in(client, ann)
            refresh = client.post("/api/auth/refresh", json={"refresh_token": tokens.refresh})
            revoke = asking(client, billing, "/revoke", tokens.refresh)
            refreshed, revoked = await asyncio.gather(refresh, revoke)
            assert revoked.status_code == 200
            assert refreshed.status_code in (200, 401)
            left = [tokens.access, tokens.refresh]
            if refreshed.status_code == 200:
                data = refreshed.json()["data"]
                left += [data["token"], data["refresh_token"]]
            for token in left:
                answer = await asking(client, billing, "/introspect", token)
                assert answer.content == INACTIVE
    live = await corner.fetch(
        "SELECT FROM sessions WHERE account_id = $1 AND ended_at IS NULL", account_id
    )
    assert live == []


async def test_looking_waits_for_nobody_who_holds_the_account(
    service: ServiceProcess, corner: Corner, billing: OtherService, ann: Person
) -> None:
    """An account that is being changed must not stop the services that its owner uses."""
    async with service.client() as client:
        tokens = await sign_in(client, ann)
        async with held(corner, await id_of(corner, ann.email)):
            for token in (tokens.access, tokens.refresh):
                answer = await asking(client, billing, "/introspect", token)
                assert answer.json()["active"] is True
            answer = await client.post("/validate", headers=tokens.headers)
            assert answer.json()["valid"] is True


async def test_the_time_of_a_refusal_does_not_tell_which_clients_there_are(
    service: ServiceProcess, billing: OtherService
) -> None:
    secret = billing.secret[::-1]
    strangers = {
        True: OtherService(billing.id, secret, billing.url),
        False: OtherService("billing-ffffffff", secret, billing.url),
    }
    times: dict[bool, list[float]] = {True: [], False: []}
    async with service.client() as client:
        for number in range(ROUNDS):
            for known in (number % 2 == 0, number % 2 == 1):
                began = time.perf_counter()
                answer = await asking(client, strangers[known], "/introspect", "x.y.z")
                times[known].append(time.perf_counter() - began)
                assert answer.status_code == 401
    medians = [statistics.median(times[known]) * 1000 for known in (True, False)]
    found = auc(times[True], times[False])
    print(f"AUC {found:.3f}, medians {medians[0]:.2f} and {medians[1]:.2f} ms")
    assert 0.4 <= found <= 0.6
