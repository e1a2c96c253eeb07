"""The turnstile that all sends pass, and the batches that look-ups travel in."""

from __future__ import annotations

import asyncio

import pytest
from redis.exceptions import ConnectionError as RedisDown

from email_service.delivered import Batched, MarksUnavailable
from email_service.retry import Turnstile
from shared.backoff import backoff

pytestmark = pytest.mark.anyio


async def test_backoff_doubles_up_to_its_limit_with_full_jitter() -> None:
    for attempt, longest in ((1, 0.5), (2, 1), (4, 4), (7, 30), (2000, 30)):
        waits = [backoff(attempt) for _ in range(500)]
        assert max(waits) <= longest
        assert min(waits) < longest * 0.1
        assert max(waits) > longest * 0.9


async def test_no_more_sends_pass_than_there_are_turns() -> None:
    turnstile = Turnstile(2)
    first, _ = await turnstile.enter(), await turnstile.enter()
    third = asyncio.create_task(turnstile.enter())
    await asyncio.sleep(0.01)
    assert not third.done()

    first.release()
    await asyncio.wait_for(third, 1)


async def test_one_at_a_time_passes_while_the_key_is_refused() -> None:
    turnstile = Turnstile(3)
    (await turnstile.enter()).release()
    turnstile.key_was_refused()
    waiting = [asyncio.create_task(turnstile.enter()) for _ in range(3)]
    await asyncio.sleep(0.8)
    assert [task.done() for task in waiting].count(True) == 1

    turnstile.key_was_accepted()
    next(task for task in waiting if task.done()).result().release()
    async with asyncio.timeout(1):
        await asyncio.gather(*waiting)


async def test_refusals_of_sends_under_way_do_not_lengthen_the_pause() -> None:
    turnstile = Turnstile(100)
    for _ in range(100):
        turnstile.key_was_refused()

    async with asyncio.timeout(0.8):
        await turnstile.enter()


async def test_whoever_has_no_time_does_not_stand_behind_the_patient() -> None:
    turnstile = Turnstile(4)
    patient = [asyncio.create_task(turnstile.enter(patient=True)) for _ in range(100)]
    await asyncio.sleep(0.01)
    assert [task.done() for task in patient].count(True) == 2

    async with asyncio.timeout(1):
        urgent = [await turnstile.enter() for _ in range(2)]
    waiting = asyncio.create_task(turnstile.enter())
    await asyncio.sleep(0.01)
    assert not waiting.done()

    urgent[0].release()
    await asyncio.wait_for(waiting, 1)
    for task in patient:
        task.cancel()


async def test_a_patient_one_that_is_called_off_gives_its_place_back() -> None:
    turnstile = Turnstile(1)
    turn = await turnstile.enter()
    patient = [asyncio.create_task(turnstile.enter(patient=True)) for _ in range(3)]
    await asyncio.sleep(0.01)
    patient[0].cancel()  # it had the place, and waits for the turn
    patient[1].cancel()  # it waits for the place
    await asyncio.sleep(0.01)

    turn.release()
    await asyncio.wait_for(patient[2], 1)


async def test_questions_that_meet_share_a_batch() -> None:
    batches: list[list[str]] = []

    async def run(keys: list[str]) -> list[int]:
        batches.append(keys)
        await asyncio.sleep(0.01)
        return [len(key) for key in keys]

    batched = Batched(run)
    assert await asyncio.gather(*(batched("x" * n) for n in range(5))) == [0, 1, 2, 3, 4]
    assert list(await asyncio.gather(batched("a"), batched("a"))) == [1, 1]
    assert batches == [["", "x", "xx", "xxx", "xxxx"], ["a"]]


async def test_a_batch_that_fails_leaves_nobody_waiting() -> None:
    async def run(_keys: list[str]) -> list[int]:
        raise RedisDown("gone")

    batched = Batched(run)
    for _ in range(2):
        with pytest.raises(MarksUnavailable):
            await batched("key")
