"""What a check of a token costs another service, against a bare digest and a look into a dict."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from hashlib import sha256
from typing import Any, NamedTuple

from gatepost_client import Gatepost, GatepostMiddleware
from tests.bench.bench import Bench
from tests.clients.python.event_stream import EventStream
from tests.clients.python.stand_in_issuer import StandIn
from tests.load.cpus import pinned
from tests.report import Figure, Target

CALLS = 2_000
START_SECONDS = 30.0
ENDED = 100_000
COLUMNS = ("", "time", "× the bare look-up")
HOW = """\
What clients/python adds to a request of another service that asks it who calls: a signed ES256
token, revocations followed from Kafka, {ended:,} ended sessions in memory. The bare look-up is a
SHA-256 of the token and a dict: nothing that remembers checked tokens can cost less. Each is the
quietest of {rounds} rounds. A token's signature is checked once, when it is first seen."""

Call = Callable[[], Awaitable[object]]


class Timed(NamedTuple):
    name: str
    microseconds: float


def measure(bench: Bench) -> None:
    section = bench.report.section("Clients: a token checked in another service")
    rounds = bench.size.pick(15, 60)
    section.tell(HOW.replace("\n", " ").format(ended=ENDED, rounds=rounds))
    with pinned(bench.cpus.measured):
        bare, seen, *others = asyncio.run(_timed(_stream(), rounds))
    section.figure(Figure(seen.name, seen.microseconds, "µs", Target(at_most=50)))
    ratio = seen.microseconds / bare.microseconds
    section.figure(Figure(f"{seen.name}, of the bare look-up", ratio, "×"))
    rows = [
        (each.name, f"{each.microseconds:.1f} µs", f"{each.microseconds / bare.microseconds:.1f}")
        for each in (bare, seen, *others)
    ]
    section.table("A check", COLUMNS, rows)


def _stream() -> EventStream:
    """Topics that have taken an event: new ones the brokers do not know at once."""
    stream = EventStream()
    stream.end_sessions(str(uuid.uuid4()))
    stream.deactivate(str(uuid.uuid4()))
    stream.delete(str(uuid.uuid4()))
    return stream


async def _timed(stream: EventStream, rounds: int) -> list[Timed]:
    async with StandIn.opened() as issuer, Gatepost(issuer.url, kafka=stream.kafka) as gatepost:
        await _followed(gatepost)
        gatepost._revocations.end_sessions([uuid.uuid4() for _ in range(ENDED)], time.time())
        token = issuer.token()
        known = {sha256(token.encode()).digest(): await gatepost.check(token)}

        async def bare() -> object:
            return known[sha256(token.encode()).digest()]

        async def first_seen() -> object:
            gatepost._remembered._seen.clear()
            return await gatepost.check(token)

        async def application(*_: object) -> None:
            pass

        middleware: Any = GatepostMiddleware(application, gatepost)
        headers = [(b"host", b"shop"), (b"authorization", f"Bearer {token}".encode())]
        scope = {"type": "http", "path": "/", "headers": headers}
        return [
            Timed("the bare look-up", await _cheapest(bare, rounds)),
            Timed("a check, once seen", await _cheapest(partial(gatepost.check, token), rounds)),
            Timed(
                "the whole middleware, once seen",
                await _cheapest(partial(middleware, scope, None, None), rounds),
            ),
            Timed("a check, first seen", await _cheapest(first_seen, rounds, CALLS // 20)),
        ]


async def _followed(gatepost: Gatepost) -> None:
    """Before Kafka is followed to its end a check does something else."""
    async with asyncio.timeout(START_SECONDS):
        while not gatepost.ready:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def _cheapest(call: Call, rounds: int, calls: int = CALLS) -> float:
    """Microseconds for a call, in the quietest of the rounds."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(calls):
            await call()
        times.append((time.perf_counter() - began) / calls * 1e6)
    return min(times)
