"""The login throttle has the same figures in Redis and, while Redis is away, in the process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from shared.redis import RedisConnection
from tests.corner import Corner
from tests.people import fresh_address, fresh_network
from tests.user_service.time_travel import let_pass
from user_service.errors import TooManyRequests
from user_service.identity.master_key import MasterKey
from user_service.identity.password_attempts import LocalAttempts, PasswordAttempts, SharedAttempts
from user_service.settings.limits import Rate
from user_service.storage.rate_limits import Client
from user_service.storage.redis import RedisStore
from user_service.web.client_address import client_at

pytestmark = pytest.mark.anyio

RATES = (Rate(60, 60), Rate(90, 3600))


class FakeClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@dataclass(frozen=True)
class Throttle:
    attempts: PasswordAttempts
    wait: Callable[[float], None]

    async def told_to_wait(self, identifier: str, client: Client) -> int:
        """Seconds until the next attempt is admitted; 0 when this one was."""
        try:
            await self.attempts.admit(identifier, client)
        except TooManyRequests as refusal:
            return refusal.retry_after or 0
        return 0

    async def fail(self, identifier: str, client: Client, times: int = 1) -> None:
        for _ in range(times):
            await self.attempts.admit(identifier, client)
            await self.attempts.failed(identifier, client)


@pytest.fixture(params=["in Redis", "in the process"])
async def throttle(request: pytest.FixtureRequest, corner: Corner) -> AsyncIterator[Throttle]:
    if request.param == "in the process":
        clock = FakeClock()
        yield Throttle(LocalAttempts(RATES, clock=clock), clock.advance)
        return
    redis = RedisStore(RedisConnection(corner.redis_url))
    pseudonym = MasterKey("test" * 16).pseudonym
    yield Throttle(SharedAttempts(redis, RATES, pseudonym), lambda by: let_pass(corner, by))
    await redis.close()


def somewhere() -> Client:
    return client_at(fresh_network())


def about(seconds: int) -> list[int]:
    """In Redis a second may pass by itself."""
    return list(range(max(1, seconds - 2), seconds + 1))


async def test_the_fifth_failure_starts_a_wait_that_doubles_up_to_an_hour(
    throttle: Throttle,
) -> None:
    ann, here = fresh_address(), somewhere()
    for _ in range(4):
        await throttle.fail(ann, here)
        assert await throttle.told_to_wait(ann, here) == 0
    for wait in (30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600):
        await throttle.fail(ann, here)
        assert await throttle.told_to_wait(ann, here) in about(wait)
        throttle.wait(wait - 5)
        assert await throttle.told_to_wait(ann, here) in about(5)
        throttle.wait(5)


async def test_other_networks_wait_thirty_seconds_at_most(throttle: Throttle) -> None:
    ann, here = fresh_address(), somewhere()
    await throttle.fail(ann, here, times=5)
    for wait in (30, 60, 120, 240):
        throttle.wait(wait)
        await throttle.fail(ann, here)
        assert await throttle.told_to_wait(ann, somewhere()) in about(30)
    throttle.wait(30)
    assert await throttle.told_to_wait(ann, somewhere()) == 0
    assert await throttle.told_to_wait(ann, here) in about(450)


async def test_failures_from_all_networks_count_together(throttle: Throttle) -> None:
    ann = fresh_address()
    for _ in range(4):
        await throttle.fail(ann, somewhere())
    assert await throttle.told_to_wait(ann, somewhere()) == 0
    for _ in range(4):
        await throttle.fail(ann, somewhere())
        assert await throttle.told_to_wait(ann, somewhere()) in about(30)
        throttle.wait(30)


async def test_nobody_else_waits(throttle: Throttle) -> None:
    ann, bob, here = fresh_address(), fresh_address(), somewhere()
    await throttle.fail(ann, here, times=5)
    assert await throttle.told_to_wait(bob, here) == 0
    assert await throttle.told_to_wait(bob, somewhere()) == 0


async def test_a_right_password_clears_what_stands_recorded(throttle: Throttle) -> None:
    ann, here = fresh_address(), somewhere()
    for _ in range(3):
        await throttle.fail(ann, here, times=4)
        assert await throttle.attempts.admit(ann, here) > 0
        await throttle.attempts.succeeded(ann, here)
        throttle.wait(3)
        assert await throttle.attempts.admit(ann, here) == 0
    await throttle.fail(ann, here, times=5)
    assert await throttle.told_to_wait(ann, here) in about(30)


async def test_failures_are_forgotten_after_fifteen_minutes(throttle: Throttle) -> None:
    ann, here = fresh_address(), somewhere()
    await throttle.fail(ann, here, times=4)
    throttle.wait(15 * 60 - 10)
    await throttle.fail(ann, here)  # the fifth within the window
    assert await throttle.told_to_wait(ann, here) in about(30)
    throttle.wait(30 + 15 * 60 + 1)
    await throttle.fail(ann, here, times=4)
    assert await throttle.told_to_wait(ann, here) == 0


async def test_failures_that_were_under_way_when_the_wait_began_are_refused_uncounted(
    throttle: Throttle,
) -> None:
    """Admitted together, so that none of them was refused before its hash was made."""
    ann, here = fresh_address(), somewhere()
    for _ in range(12):
        await throttle.attempts.admit(ann, here)
    for _ in range(5):
        await throttle.attempts.failed(ann, here)
    for _ in range(6):
        with pytest.raises(TooManyRequests) as refusal:
            await throttle.attempts.failed(ann, here)
        assert refusal.value.retry_after in about(30)
    with pytest.raises(TooManyRequests):
        await throttle.attempts.succeeded(ann, here)
    assert await throttle.told_to_wait(ann, here) in about(30)
    throttle.wait(30)
    await throttle.attempts.succeeded(ann, here)


async def test_logins_that_overlap_are_settled_even_without_a_failure(throttle: Throttle) -> None:
    """Else the right one among a thousand guesses at once would not notice the wrong ones."""
    ann, here = fresh_address(), somewhere()
    assert await throttle.attempts.admit(ann, here) == 0
    assert await throttle.attempts.admit(ann, here) == 1
    throttle.wait(3)
    assert await throttle.attempts.admit(ann, here) == 0


async def test_a_network_has_its_budget_whoever_it_asks_for(throttle: Throttle) -> None:
    here = somewhere()
    for _ in range(60):
        assert await throttle.told_to_wait(fresh_address(), here) == 0
    assert await throttle.told_to_wait(fresh_address(), here) == 1
    assert await throttle.told_to_wait(fresh_address(), somewhere()) == 0
    throttle.wait(60)
    for _ in range(30):
        assert await throttle.told_to_wait(fresh_address(), here) == 0
    # Its second budget: 90 an hour, of which a minute gives back one or two.
    waits = [await throttle.told_to_wait(fresh_address(), here) for _ in range(4)]
    assert waits[-1] in about(20)


async def test_a_refused_attempt_spends_nothing_of_its_networks_budget(throttle: Throttle) -> None:
    ann, here = fresh_address(), somewhere()
    await throttle.fail(ann, here, times=5)
    for _ in range(100):
        assert await throttle.told_to_wait(ann, here) in about(30)
    for _ in range(55):
        assert await throttle.told_to_wait(fresh_address(), here) == 0


async def test_the_process_remembers_the_latest_names_only() -> None:
    attempts = LocalAttempts((), most=10)
    here = somewhere()
    for _ in range(100):
        await attempts.admit(fresh_address(), here)
    assert len(attempts._tallies) == 10
