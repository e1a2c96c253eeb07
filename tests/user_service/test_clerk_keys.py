"""Clerk's keys are followed where it publishes them, and whatever happens there."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dev_stack.ports import free_port
from tests.clerk_issuer import Behaviour, ClerkIssuer, ClerkKey
from tests.user_service.forged_clerk_tokens import unusable_keys
from user_service.errors import Unavailable
from user_service.identity.clerk_keys import AGAIN_SECONDS, PublishedKeys, keys_of

pytestmark = pytest.mark.anyio
FAILURES: tuple[Behaviour, ...] = (
    "hang",
    "trickle",
    "error",
    "garbage",
    "huge",
    "redirect",
    "close",
)


@pytest.fixture
def issuer() -> Iterator[ClerkIssuer]:
    with ClerkIssuer.started() as issuer:
        yield issuer


@asynccontextmanager
async def opened(issuer: ClerkIssuer) -> AsyncIterator[PublishedKeys]:
    keys = PublishedKeys(issuer.settings["CLERK_JWKS_URL"])
    keys.open()
    try:
        yield keys
    finally:
        await keys.close()


async def read(keys: PublishedKeys) -> None:
    """What time brings about every ten minutes."""
    await asyncio.wait({keys._read()})


def ten_seconds_later(keys: PublishedKeys) -> None:
    keys._next_look -= AGAIN_SECONDS


@pytest.mark.parametrize("failure", FAILURES)
async def test_keys_that_are_known_count_while_clerk_fails_and_none_means_unavailable(
    issuer: ClerkIssuer, failure: Behaviour
) -> None:
    kid = issuer.keys[0].kid
    async with opened(issuer) as keys, opened(issuer) as never_read:
        assert await keys.named(kid)
        ten_seconds_later(keys)
        began = time.monotonic()
        with issuer.behaving(failure):
            unknown, nothing = await asyncio.gather(
                keys.named("ins_unknown"), never_read.named(kid), return_exceptions=True
            )
        assert time.monotonic() - began < 2.8
        assert unknown is None
        assert isinstance(nothing, Unavailable)
        assert await keys.named(kid)
        assert issuer.strayed == []


async def test_nobody_waits_for_a_server_that_is_not_there() -> None:
    keys = PublishedKeys(f"http://127.0.0.1:{free_port()}/jwks.json")
    keys.open()
    with pytest.raises(Unavailable):
        await keys.named("ins_1")
    await keys.close()


async def test_unknown_kids_ask_once_in_ten_seconds_and_all_who_meet_one_wait_for_the_answer(
    issuer: ClerkIssuer,
) -> None:
    async with opened(issuer) as keys:
        kid = issuer.keys[0].kid
        assert all(await asyncio.gather(*(keys.named(kid) for _ in range(50))))
        assert issuer.asked == 1
        new = ClerkKey.made()
        issuer.published.append(new.jwk)
        assert not any(await asyncio.gather(*(keys.named(f"ins_{n}") for n in range(50))))
        assert await keys.named(new.kid) is None
        assert issuer.asked == 1
        ten_seconds_later(keys)
        assert all(await asyncio.gather(*(keys.named(new.kid) for _ in range(50))))
        assert issuer.asked == 2


async def test_a_known_key_is_used_without_asking_even_while_clerk_hangs(
    issuer: ClerkIssuer,
) -> None:
    async with opened(issuer) as keys:
        await keys.named(issuer.keys[0].kid)
        with issuer.behaving("hang"):
            reading = keys._read()
            began = time.monotonic()
            assert await keys.named(issuer.keys[0].kid)
            assert time.monotonic() - began < 0.1
            assert not reading.done()


async def test_a_key_that_is_not_published_any_more_counts_no_more(issuer: ClerkIssuer) -> None:
    async with opened(issuer) as keys:
        old = issuer.keys[0].kid
        assert await keys.named(old)
        new = ClerkKey.made()
        issuer.published = [new.jwk]
        await read(keys)
        assert await keys.named(old) is None
        assert await keys.named(new.kid)
        issuer.published = []
        await read(keys)
        with pytest.raises(Unavailable):
            await keys.named(new.kid)


async def test_they_are_read_at_the_start_and_followed(
    issuer: ClerkIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("user_service.identity.clerk_keys.EVERY_SECONDS", 0.02)
    async with opened(issuer) as keys:
        keeping = asyncio.create_task(keys.keep())
        deadline = time.monotonic() + 5
        while issuer.asked < 3:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def test_after_a_failure_they_are_read_again_sooner(issuer: ClerkIssuer) -> None:
    async with opened(issuer) as keys:
        with issuer.behaving("error"):
            await read(keys)
            assert keys._pause == 1
        await read(keys)
        assert keys._pause == 600
        with issuer.behaving("error"):
            await read(keys)
            assert keys._pause == AGAIN_SECONDS


def test_only_keys_that_rs256_may_be_checked_with_are_taken() -> None:
    good, plain = ClerkKey.made(), ClerkKey.made(3072)
    bare = {name: plain.jwk[name] for name in ("kty", "kid", "n", "e")}
    listed: list[Any] = [good.jwk, *unusable_keys(), bare, 1, None, [], "text", {}]
    keys = keys_of(json.dumps({"keys": listed}).encode())
    assert {kid: key.public_numbers() for kid, key in keys.items()} == {
        key.kid: key.private.public_key().public_numbers() for key in (good, plain)
    }


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":null}',
        b"\xff",
        b"<html>",
        b'{"keys":[' + b"[" * 50_000,
    ],
)
def test_what_is_no_list_of_keys_is_not_taken_for_an_empty_one(page: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        keys_of(page)
