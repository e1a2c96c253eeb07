"""Clerk tells on while parts fail and workers are killed: what stands at the end is the newest."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterator

import httpx
import pytest

from tests.faults.house import ANSWER_SECONDS, House, until
from tests.service_process import ServiceProcess
from tests.unlimited import UNLIMITED
from tests.user_service.clerk import SECRET, Clerk, ClerkUser, headers, told
from tests.user_service.neighbour import OUTCOMES
from tests.worker_process import WorkerProcess

pytestmark = pytest.mark.anyio

SECRETS = {"CLERK_WEBHOOK_SECRETS": SECRET}
# SIZE=full tells of 1,000 users in 10,000 messages, as the issue has it.
USERS, KILLS = (1000, 5) if os.environ.get("SIZE") == "full" else (150, 2)


@pytest.fixture(scope="module")
def door(whole_house: House) -> Iterator[ServiceProcess]:
    with ServiceProcess.started(whole_house.corner.variables, **UNLIMITED, **SECRETS) as service:
        yield service


async def accounts(house: House) -> dict[str, tuple[str, str]]:
    """Names and addresses by the ids of Clerk's users."""
    rows = await house.corner.fetch(
        "SELECT clerk_users.id, accounts.name, accounts.email"
        " FROM clerk_users JOIN accounts ON accounts.id = account_id"
    )
    return {row["id"]: (row["name"], row["email"]) for row in rows}


async def test_without_kafka_clerk_is_told_to_come_again(
    house: House, door: ServiceProcess
) -> None:
    user = ClerkUser()
    body = told("user.created", user.data, user.updated_at)
    async with door.client() as client:
        house.parts.kafka.freeze()
        for _ in range(5):
            answer = await client.post(
                "/webhooks/clerk", content=body, headers=headers(body, id=f"msg_{user.id}")
            )
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.elapsed.total_seconds() < ANSWER_SECONDS
        house.parts.kafka.thaw()

        async def taken() -> bool:
            again = await client.post(
                "/webhooks/clerk", content=body, headers=headers(body, id=f"msg_{user.id}")
            )
            return again.status_code == 200

        await until(taken, within=15)
    with WorkerProcess.started(house.corner.variables, **SECRETS):

        async def there() -> bool:
            return user.id in await accounts(house)

        await until(there, within=30)


async def test_without_redis_messages_are_taken_all_the_same(
    house: House, door: ServiceProcess
) -> None:
    house.parts.redis_wire.refuse()
    with httpx.Client(base_url=door.url, timeout=10) as client:
        body = told("user.created", ClerkUser().data)
        for _ in range(3):
            assert Clerk(client).deliver(body).status_code == 200


def history(number: int, chance: random.Random) -> list[tuple[str, ClerkUser]]:
    """What happens to one user, in order; some have the address that another one gave up."""
    user = ClerkUser(
        id=f"user_ledger{number}",
        email=f"ledger{number}@example.org",
        first_name=f"Name {number}",
        verified=chance.random() < 0.8,
        updated_at=1_700_000_000_000 + number,
    )
    told_of = [("user.created", user)]
    for step in range(chance.randint(2, 7)):
        changes: dict[str, object] = {"first_name": f"Name {number}.{step}"}
        if chance.random() < 0.3:
            changes["email"] = f"ledger{number}.{step}@example.org"
        if chance.random() < 0.3:
            changes["verified"] = not user.verified
        user = user.changed(**changes)
        told_of.append(("user.updated", user))
    if number % 10 == 3:  # the address of the one before, who has moved on by then
        user = user.changed(email=f"ledger{number - 1}@example.org", verified=True)
        told_of.append(("user.updated", user))
    if number % 10 == 2:
        user = user.changed(email=f"moved{number}@example.org", verified=True)
        told_of.append(("user.updated", user))
    if number % 10 == 7:
        told_of.append(("user.deleted", user))
    return told_of


def ledger(histories: list[list[tuple[str, ClerkUser]]]) -> dict[str, tuple[str, str]]:
    """What must stand at the end: the newest name, and the newest address that was verified."""
    stands = {}
    for told_of in histories:
        addresses = [user.email for _, user in told_of if user.verified and user.email]
        kind, newest = told_of[-1]
        if addresses and kind != "user.deleted":
            stands[newest.id] = (f"{newest.first_name} {newest.last_name}", addresses[-1])
    return stands


async def test_shuffled_doubled_and_with_workers_killed_the_end_is_as_the_ledger_has_it(
    house: House, door: ServiceProcess
) -> None:
    chance = random.Random(5)
    histories = [history(number, chance) for number in range(USERS)]
    expected = ledger(histories)
    messages: list[tuple[bytes, str]] = []
    for told_of in histories:
        for kind, user in told_of:
            data = {"id": user.id, "deleted": True} if kind == "user.deleted" else user.data
            messages.append((told(kind, data, user.updated_at), f"msg_{len(messages)}"))
    many = len(messages)
    messages += chance.sample(messages, many // 2)  # by the same id
    # Told anew by hand, from Clerk's dashboard, so under another id.
    messages += [(body, f"{id}.again") for body, id in chance.sample(messages, many // 2)]
    chance.shuffle(messages)
    before = await told_events(house)
    telling = asyncio.create_task(tell(door, messages))
    for kill in range(KILLS):
        with WorkerProcess.started(house.corner.variables, **SECRETS) as worker:

            async def some(worker: WorkerProcess = worker, least: int = 20 * (kill + 1)) -> bool:
                return await worker.up() and worker.metric(OUTCOMES) >= least

            await until(some, within=60)
            worker.kill()
    await telling
    stood: dict[str, tuple[str, str]] = {}
    for _ in range(2):  # the second one looks once more at addresses that came free late
        with WorkerProcess.started(house.corner.variables, **SECRETS) as worker:

            async def ended() -> bool:
                nonlocal stood
                stood = {k: v for k, v in (await accounts(house)).items() if "ledger" in k}
                return stood == expected

            try:
                await until(ended, within=60 if USERS < 1000 else 120)
            except AssertionError:
                continue
            break
    wrong = {id: (stood.get(id), expected.get(id)) for id in stood.keys() | expected.keys()}
    assert {id: pair for id, pair in wrong.items() if pair[0] != pair[1]} == {}
    print(f"{len(messages)} messages, {KILLS} kills, {len(expected)} accounts")
    # One account for each, told once: a kill doubles nothing.
    registered = await told_events(house) - before
    gone = sum(told_of[-1][0] == "user.deleted" for told_of in histories)
    assert len(expected) <= registered <= len(expected) + gone


async def told_events(house: House) -> int:
    rows = await house.corner.fetch("SELECT FROM outbox WHERE topic = 'user_registered'")
    return len(rows)


async def tell(door: ServiceProcess, messages: list[tuple[bytes, str]]) -> None:
    """Deliver all, many at a time; a message that is refused comes again."""
    queue = iter(messages)

    async def deliver(client: httpx.AsyncClient) -> None:
        for body, id in queue:
            while True:
                try:
                    answer = await client.post(
                        "/webhooks/clerk", content=body, headers=headers(body, id=id)
                    )
                except httpx.TransportError:
                    continue  # a connection that was idle for long
                if answer.status_code == 200:
                    break
                assert answer.status_code == 503, answer.text
                await asyncio.sleep(0.1)

    async with door.client() as client:
        await asyncio.gather(*(deliver(client) for _ in range(16)))
