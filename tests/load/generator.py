"""The process that asks, in a closed loop for rates and in an open one for latencies."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from urllib.parse import urlsplit

import uvloop

from tests.load.arrivals import arriving
from tests.load.run import Answer, Run
from tests.load.wire import Connection, Lost

PATIENCE_SECONDS = 10.0


class Generator:
    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    @classmethod
    @contextmanager
    def started(cls, cpus: Iterable[int]) -> Iterator[Generator]:
        """A process on these processors."""
        pin = (0, frozenset(cpus))
        with ProcessPoolExecutor(1, get_context("spawn"), os.sched_setaffinity, pin) as pool:
            yield cls(pool)

    def closed(
        self,
        url: str,
        requests: Sequence[bytes],
        *,
        connections: int,
        seconds: float,
    ) -> Run:
        """Each connection asks anew as soon as it is answered, until time or requests run out."""
        return self._pool.submit(_closed, url, requests, connections, seconds).result()

    def all(self, url: str, requests: Sequence[bytes], *, connections: int) -> list[Answer]:
        """The answers to all requests in their order, with their bodies: to prepare a load."""
        return self._pool.submit(_all, url, requests, connections).result()

    def open(self, url: str, requests: Sequence[bytes], *, rate: float, connections: int) -> Run:
        """All requests once, at random times, so many a second whatever the service does.

        A latency counts from when its request was due: waiting for a connection is part of it. Only
        where our own timer came late by less than 2 ms, it counts from there. The answers are in
        the order of their requests.
        """
        return self._pool.submit(_open, url, requests, rate, connections).result()


class _Caller:
    """Asks over one connection, which is opened anew after a loss."""

    def __init__(self, url: str, epoch: float) -> None:
        parts = urlsplit(url)
        self._address = str(parts.hostname), parts.port or 80
        self.epoch = epoch
        self._connection: Connection | None = None

    async def ask(self, request: bytes, due: float, *, body: bool = False) -> Answer:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                if self._connection is None or not self._connection.usable:
                    self._connection = await self._opened()
                reply = await self._connection.ask(request)
        except (Lost, OSError, TimeoutError):
            self.close()
            return Answer(due - self.epoch, time.perf_counter() - due, 0)
        seconds = time.perf_counter() - due
        kept = reply.body if body else b""
        return Answer(due - self.epoch, seconds, reply.status, reply.retry_after, kept)

    async def open(self) -> None:
        self._connection = await self._opened()

    def close(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None

    async def _opened(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, *self._address)
        return connection


def _closed(url: str, requests: Sequence[bytes], connections: int, seconds: float) -> Run:
    async def load() -> Run:
        waiting = iter(requests)
        callers = await _callers(url, connections)
        began = time.perf_counter()
        answers: list[Answer] = []

        async def call(caller: _Caller) -> None:
            while (due := time.perf_counter()) < began + seconds:
                if (request := next(waiting, None)) is None:
                    break
                answers.append(await caller.ask(request, due))

        await asyncio.gather(*(call(caller) for caller in callers))
        return _done(callers, began, answers)

    return uvloop.run(load())


def _all(url: str, requests: Sequence[bytes], connections: int) -> list[Answer]:
    async def load() -> list[Answer]:
        numbered = iter(enumerate(requests))
        callers = await _callers(url, connections)
        answers: dict[int, Answer] = {}

        async def call(caller: _Caller) -> None:
            for number, request in numbered:
                answers[number] = await caller.ask(request, time.perf_counter(), body=True)

        await asyncio.gather(*(call(caller) for caller in callers))
        _done(callers, 0.0, ())
        return [answers[number] for number in range(len(requests))]

    return uvloop.run(load())


def _open(url: str, requests: Sequence[bytes], rate: float, connections: int) -> Run:
    async def load() -> Run:
        callers = await _callers(url, connections)
        waiting: asyncio.Queue[tuple[int, float] | None] = asyncio.Queue()
        began = time.perf_counter()
        answers: dict[int, Answer] = {}

        async def call(caller: _Caller) -> None:
            while arrived := await waiting.get():
                number, due = arrived
                answers[number] = await caller.ask(requests[number], due)

        calls = [asyncio.ensure_future(call(caller)) for caller in callers]
        async for arrived in arriving(range(len(requests)), rate):
            waiting.put_nowait(arrived)
        for _ in callers:
            waiting.put_nowait(None)
        await asyncio.gather(*calls)
        return _done(callers, began, [answers[number] for number in range(len(requests))])

    return uvloop.run(load())


async def _callers(url: str, connections: int) -> list[_Caller]:
    epoch = time.perf_counter()
    callers = [_Caller(url, epoch) for _ in range(connections)]
    await asyncio.gather(*(caller.open() for caller in callers))
    return callers


def _done(callers: Sequence[_Caller], began: float, answers: Sequence[Answer]) -> Run:
    for caller in callers:
        caller.close()
    return Run(time.perf_counter() - began, answers, callers[0].epoch)
