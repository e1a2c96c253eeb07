"""Key rotation: every token verifies until it expires, everywhere, and no key longer than that."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

import asyncpg
import httpx
import jwt
import pytest

from tests.corner import Corner
from tests.user_service.forged_tokens import private_key, sign
from tests.user_service.signing_keys import (
    DAY,
    JWT_SECRET,
    OTHER_MASTER_KEY,
    UNTIL_IT_EXPIRES,
    UNTIL_IT_SIGNS,
    Installation,
    accepted,
    eventually,
    kid_of,
    published,
    publishes,
    read_again,
)
from user_service.assembly import assemble
from user_service.settings import read_settings


def test_every_process_accepts_every_token_before_during_and_after_a_rotation(
    installation: Installation,
) -> None:
    before = installation.service()
    tokens = [installation.token(before)]
    (first,) = installation.kids()

    assert installation.listed("rotate")[1:] == [(first, "signs")]
    second = installation.kids()[0]
    # Knows the new key and does not sign with it yet, as every process after 10 seconds.
    during = installation.service()
    tokens.append(installation.token(during))
    assert published(during) == [second, first]

    installation.let_pass(UNTIL_IT_SIGNS)
    # Signs with the new key, while the other one may not have read again.
    after = installation.service()
    tokens.append(installation.token(after))
    assert [kid_of(token) for token in tokens] == [first, first, second]
    for service in (during, after):
        assert [accepted(service, token) for token in tokens] == [True] * 3

    for service in (before, during):
        read_again(service)
        eventually(partial(publishes, service, second, first))
        eventually(partial(installation.signs, service, second))
        assert [accepted(service, token) for token in tokens] == [True] * 3


def test_the_worker_publishes_a_key_before_it_signs_and_forgets_it_when_its_tokens_have_expired(
    installation: Installation,
) -> None:
    service = installation.service()
    (first,) = installation.kids()
    token = installation.token(service)
    header, claims = jwt.get_unverified_header(token), _claims(token)
    far = sign(
        header, {**claims, "exp": claims["exp"] + 10**6}, private_key(installation.corner, first)
    )
    assert accepted(service, far)

    installation.let_pass(90 * DAY - timedelta(minutes=30))
    worker = installation.worker()
    time.sleep(0.5)
    assert installation.kids() == [first]
    worker.kill()

    installation.let_pass(timedelta(minutes=20))
    worker = installation.worker()
    eventually(lambda: len(installation.kids()) == 2)
    worker.kill()
    second = installation.kids()[0]
    read_again(service)
    eventually(partial(publishes, service, second, first))
    assert kid_of(installation.token(service)) == first

    # No worker lives, and still the new key signs from its moment.
    installation.let_pass(UNTIL_IT_SIGNS)
    read_again(service)
    eventually(partial(installation.signs, service, second))
    assert published(service) == [second, first]

    installation.let_pass(UNTIL_IT_EXPIRES - timedelta(minutes=11))
    read_again(service)
    time.sleep(1.5)
    assert (published(service), accepted(service, far)) == ([second, first], True)

    # Nor does an expired key verify until some worker deletes it.
    installation.let_pass(timedelta(minutes=11))
    read_again(service)
    eventually(partial(publishes, service, second))
    assert not accepted(service, far)
    worker = installation.worker()
    eventually(lambda: installation.kids() == [second])
    worker.kill()


def _claims(token: str) -> dict[str, int]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


def test_after_a_year_without_a_worker_there_is_one_new_key(installation: Installation) -> None:
    installation.let_pass(400 * DAY)
    installation.worker()
    eventually(lambda: len(installation.kids()) == 2)
    installation.worker()
    time.sleep(1)
    assert [state for _, state in installation.listed("list")] == ["upcoming", "signs"]


def test_signing_key_days_says_how_long_a_key_signs(installation: Installation) -> None:
    installation.let_pass(7 * DAY)
    installation.worker(SIGNING_KEY_DAYS="7")
    eventually(lambda: len(installation.kids()) == 2)


def test_several_workers_make_one_key(installation: Installation) -> None:
    installation.let_pass(90 * DAY)
    asyncio.run(_rotating_at_once(installation, 3))
    time.sleep(1)
    assert len(installation.kids()) == 2


async def _rotating_at_once(installation: Installation, many: int) -> None:
    """Hold all of them before their first look, and let go."""
    async with _holding(installation, "LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE"):
        for _ in range(many):
            await asyncio.to_thread(installation.worker)
        await _waiting(installation, many)
    async with asyncio.timeout(10):
        while len(await asyncio.to_thread(installation.kids)) < 2:  # noqa: ASYNC110 - other processes work
            await asyncio.sleep(0.05)


@asynccontextmanager
async def _holding(installation: Installation, statement: str) -> AsyncIterator[None]:
    connection = await asyncpg.connect(installation.corner.database_url)
    try:
        async with connection.transaction():
            await connection.execute(statement)
            yield
    finally:
        await connection.close()


async def _waiting(installation: Installation, many: int) -> None:
    query = """
        SELECT count(*) AS many FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'
    """
    async with asyncio.timeout(20):
        while (await installation.corner.fetch(query))[0]["many"] < many:  # noqa: ASYNC110 - other processes wait
            await asyncio.sleep(0.05)


def test_a_worker_that_is_killed_in_the_middle_of_a_rotation_leaves_nothing_behind(
    installation: Installation,
) -> None:
    # An expired key that cannot be deleted yet stops the worker after it has made a new one.
    installation.command("rotate")
    second, first = installation.kids()
    installation.let_pass(UNTIL_IT_SIGNS + 90 * DAY)
    asyncio.run(_killed_while_it_deletes(installation, first))
    eventually(lambda: not _connected(installation))
    assert installation.kids() == [second, first]
    installation.worker()
    eventually(lambda: len(installation.kids()) == 2 and first not in installation.kids())
    assert installation.kids()[1] == second


async def _killed_while_it_deletes(installation: Installation, kid: str) -> None:
    held = f"SELECT FROM signing_keys WHERE kid = '{kid}' FOR UPDATE"
    async with _holding(installation, held):
        worker = await asyncio.to_thread(installation.worker)
        await _waiting(installation, 1)
        worker.kill()


def _connected(installation: Installation) -> bool:
    query = """
        SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
    """
    return bool(installation.corner.rows(query))


def test_a_worker_with_another_master_key_or_a_jwt_secret_makes_no_key(
    installation: Installation,
) -> None:
    installation.let_pass(90 * DAY)
    wrong = installation.worker(MASTER_KEY=OTHER_MASTER_KEY)
    symmetric = installation.worker(JWT_SECRET=JWT_SECRET)
    eventually(lambda: "MASTER_KEY is not the one" in wrong.log)
    time.sleep(2.5)  # long enough for two more tries
    assert len(installation.kids()) == 1
    told = [line for line in wrong.lines if line.get("what") == "key rotation"]
    assert [line["level"] for line in told] == ["warning"]
    for worker in (wrong, symmetric):
        assert "Traceback" not in worker.log
        assert asyncio.run(worker.stop()) < 15
    installation.worker()
    eventually(lambda: len(installation.kids()) == 2)


def test_a_worker_makes_a_key_where_all_were_deleted(installation: Installation) -> None:
    service = installation.service()
    installation.corner.rows("DELETE FROM signing_keys")
    read_again(service)
    jwks = f"{service.url}/.well-known/jwks.json"
    eventually(lambda: httpx.get(jwks).status_code == 503)
    installation.worker()
    eventually(lambda: httpx.get(jwks).status_code == 200)
    assert published(service) == installation.kids()
    assert accepted(service, installation.token(service))


@pytest.mark.anyio
async def test_a_service_knows_the_keys_before_it_serves_anybody(corner: Corner) -> None:
    assembly = assemble(read_settings(corner.variables))
    async with assembly.running():
        assert assembly.keyring.ready
