"""Parts that the fault tests own and may hurt, each behind a proxy, and the service upon them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import httpx
from redis import Redis

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person
from tests.service_process import ServiceProcess
from tests.untraced import UNTRACED
from tests.wired_parts import WiredParts

POOL_SIZE = 4
# What is promised, and what a busy machine may add to it.
ANSWER_SECONDS = 3.0 + 0.5
KNOWN_OUTAGE_SECONDS = 0.05 + 0.1
RECOVERY_SECONDS = 10.0


@dataclass(frozen=True)
class House:
    """`corner` and `mailroom` reach the parts directly, `service` through the proxies."""

    parts: WiredParts
    corner: Corner
    mailroom: Mailroom
    service: ServiceProcess

    @classmethod
    @contextmanager
    def built(cls, worker_id: str) -> Iterator[House]:
        with ExitStack() as stack:
            parts = stack.enter_context(WiredParts.started())
            corner = stack.enter_context(Corner.made(worker_id, parts.urls))
            mailroom = stack.enter_context(Mailroom.opened(corner))
            wires = parts.behind_wires(corner)
            variables = corner.variables | wires | {"DB_POOL_SIZE": str(POOL_SIZE)} | UNTRACED
            wired = replace(corner, variables=variables)
            service = stack.enter_context(ServiceProcess.started(wired.variables))
            yield cls(parts, wired, mailroom, service)

    @property
    def store(self) -> Redis:
        """What Redis holds, asked directly."""
        port, number = self.parts.redis.port, urlsplit(self.corner.redis_url).path
        return Redis.from_url(f"redis://127.0.0.1:{port}{number}")

    def attempts(self) -> set[bytes]:
        """The keys of all registrations that are alive."""
        return set(self.store.scan_iter("challenge:register:*"))

    def unexpected(self) -> list[str]:
        """The tracebacks that the service has logged."""
        lines = self.service.lines
        return [str(line["exception"]) for line in lines if line["event"] == "unexpected"]

    def heal(self) -> None:
        """Undo whatever a test has done, and wait until the service has noticed."""
        self.parts.make_whole()
        self.store.config_set("maxmemory", 0)
        self.store.config_set("min-replicas-to-write", 0)
        # A registration needs every part, and every breaker closed.
        deadline = time.monotonic() + RECOVERY_SECONDS
        while (status := self._register()) != 202:
            assert time.monotonic() < deadline, (
                f"a registration is still answered {status}: {self.service.log[-3000:]}"
            )
            time.sleep(0.05)

    def _register(self) -> int:
        person = Person()
        return httpx.post(
            f"{self.service.url}/api/auth/register",
            json=person.registration(),
            headers={"x-forwarded-for": person.network},
            timeout=5,
        ).status_code


async def timed(request: Awaitable[httpx.Response]) -> tuple[httpx.Response, float]:
    """An answer, and the seconds it took."""
    began = time.monotonic()
    answer = await request
    return answer, time.monotonic() - began


def assert_unavailable(answer: httpx.Response) -> None:
    """The refusal that every failed dependency is answered with."""
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    body = answer.json()
    assert (body["status"], body["code"]) == (503, "unavailable")


async def until(succeeds: Callable[[], Awaitable[Any]], within: float = RECOVERY_SECONDS) -> float:
    """Ask again and again; returns the seconds until the first success."""
    began = time.monotonic()
    while not await succeeds():
        assert time.monotonic() - began < within, f"no success within {within} s"
        await asyncio.sleep(0.1)
    return time.monotonic() - began
