"""Changes of an account while its parts fail: refused as a whole, or done as a whole."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.faults.fault import Fault, dies, each, hangs, refuses
from tests.faults.house import ANSWER_SECONDS, House, assert_unavailable, timed, until
from tests.people import SignedIn, fresh_address, log_in, outcome
from tests.user_service.ledger import audited, id_of, told
from tests.user_service.moving import Mover
from tests.wired_parts import PartName

pytestmark = pytest.mark.anyio

PROFILE = "/api/auth/profile"
NEW_PASSWORD = "velvet anchor ninety"
GUESS = "copper willow eleven"


def faults_of(part: PartName) -> pytest.MarkDecorator:
    return each(refuses(part), hangs(part), dies(part))


async def edit(client: httpx.AsyncClient, tokens: SignedIn, name: str) -> httpx.Response:
    return await client.patch(PROFILE, json={"name": name}, headers=tokens.headers)


async def change_password(
    client: httpx.AsyncClient, mover: Mover, current: str | None = None
) -> httpx.Response:
    body = {
        "current_password": current or mover.person.password,
        "new_password": NEW_PASSWORD,
    }
    return await client.post("/api/auth/change-password", json=body, headers=mover.headers)


async def delete(client: httpx.AsyncClient, mover: Mover) -> httpx.Response:
    body = {"password": mover.person.password}
    return await client.request("DELETE", PROFILE, json=body, headers=mover.headers)


async def someone(house: House) -> Mover:
    return await Mover.ready(house.service, house.mailroom)


@faults_of("postgres")
async def test_without_postgres_nothing_changes(house: House, fault: Fault) -> None:
    mover = await someone(house)
    async with house.service.client() as client:
        change_id = await mover.begin(client)
        code = house.mailroom.code(change_id)
        id = await id_of(house.corner, mover.person.email)
        before = await told(house.corner, id), await audited(house.corner, id)
        fault.begin(house)
        answers = await asyncio.gather(
            timed(edit(client, mover.tokens, "Another Name")),
            timed(change_password(client, mover)),
            timed(mover.verify(client, code)),
            timed(delete(client, mover)),
        )
        fault.end(house)
        for answer, seconds in answers:
            assert_unavailable(answer)
            assert seconds < ANSWER_SECONDS

        async def up() -> bool:
            profile = await client.get(PROFILE, headers=mover.headers)
            assert profile.status_code in (200, 503)
            return profile.status_code == 200

        await until(up)
        assert (await told(house.corner, id), await audited(house.corner, id)) == before
        assert (await mover.verify(client, code)).status_code == 200


@faults_of("redis")
async def test_without_redis_no_code_counts_but_everything_else_goes_on(
    house: House, fault: Fault
) -> None:
    mover, leaver, thief = [await someone(house) for _ in range(3)]
    async with house.service.client() as client:
        change_id = await mover.begin(client)
        code = house.mailroom.code(change_id)
        fault.begin(house)
        for asked in (mover.ask(client), mover.verify(client, code)):
            refused, seconds = await timed(asked)
            assert_unavailable(refused)
            assert seconds < ANSWER_SECONDS
        guesses = [await change_password(client, thief, GUESS) for _ in range(6)]
        assert [guess.status_code for guess in guesses] == [403] * 5 + [429]
        done = [
            await timed(edit(client, mover.tokens, "Another Name")),
            await timed(change_password(client, leaver)),
        ]
        leaver.person.password = NEW_PASSWORD
        done.append(await timed(delete(client, leaver)))
        fault.end(house)
        assert [answer.status_code for answer, _ in done] == [200] * 3
        assert max(seconds for _, seconds in done) < ANSWER_SECONDS

        async def moved() -> bool:
            answer = await mover.verify(client, code)
            assert answer.status_code in (200, 503)
            return answer.status_code == 200

        await until(moved)
    assert house.store.exists(f"challenge:change-email:{change_id}")


async def test_a_deletion_is_answered_in_time_though_redis_hangs_after_it(house: House) -> None:
    """Whoever deleted the account must not read that nothing was done."""
    leaver = await someone(house)
    async with house.service.client() as client:
        house.parts.redis.freeze()
        answer, seconds = await timed(delete(client, leaver))
        house.parts.redis.thaw()
        assert (answer.status_code, seconds < ANSWER_SECONDS) == (200, True)
        assert outcome(await log_in(client, leaver.person)) == (401, "wrong_credentials")


@faults_of("kafka")
async def test_without_kafka_no_change_of_address_begins_and_the_one_begun_before_lives(
    house: House, fault: Fault
) -> None:
    mover, leaver = await someone(house), await someone(house)
    first = mover.wanted
    async with house.service.client() as client:
        change_id = await mover.begin(client)
        code = house.mailroom.code(change_id)
        keys = set(house.store.scan_iter("challenge:change-email:*"))
        fault.begin(house)
        for _ in range(3):
            mover.wanted = fresh_address()
            refused, seconds = await timed(mover.ask(client))
            assert_unavailable(refused)
            assert seconds < ANSWER_SECONDS
            assert set(house.store.scan_iter("challenge:change-email:*")) == keys
        assert (await edit(client, mover.tokens, "Another Name")).status_code == 200
        assert (await mover.verify(client, code, change_id)).status_code == 200
        assert (await client.get(PROFILE, headers=mover.headers)).json()["data"]["user"][
            "email"
        ] == first
        assert (await change_password(client, leaver)).status_code == 200
        leaver.person.password = NEW_PASSWORD
        assert (await delete(client, leaver)).status_code == 200
        fault.end(house)
