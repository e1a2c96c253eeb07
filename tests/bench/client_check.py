"""What a check of a token costs another service, against a bare digest and a look into a dict.

`python -m tests.bench.client_check` follows a real Kafka, with 100,000 ended sessions in memory.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from hashlib import sha256
from typing import Any

from rich.console import Console
from rich.table import Table

from dev_stack import parts
from gatepost_client import Gatepost, GatepostMiddleware
from tests.clients.python.event_stream import EventStream
from tests.clients.python.stand_in_issuer import StandIn

ROUNDS, CALLS = 15, 2_000
ENDED = 100_000
TARGET = "≤ 50 µs"


async def cheapest(call: Callable[[], Awaitable[object]], calls: int = CALLS) -> float:
    """Microseconds for a call, in the quietest of several rounds."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(calls):
            await call()
        times.append((time.perf_counter() - began) / calls * 1e6)
    return min(times)


async def measure(stream: EventStream) -> Table:
    table = Table("", "µs", "× bare", "target", title=f"A check, {ENDED:,} ended sessions known")
    async with StandIn.opened() as issuer, Gatepost(issuer.url, kafka=stream.kafka) as gatepost:
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
        base = await cheapest(bare)
        for name, call, calls, target in (
            ("digest and dict (bare)", bare, CALLS, ""),
            ("check, once seen", partial(gatepost.check, token), CALLS, TARGET),
            ("the whole middleware", partial(middleware, scope, None, None), CALLS, ""),
            ("check, first seen", first_seen, CALLS // 20, ""),
        ):
            cost = await cheapest(call, calls)
            table.add_row(name, f"{cost:.1f}", f"{cost / base:.1f}", target)
    return table


def main() -> None:
    with parts.disposable() as stack:
        os.environ.update(stack.variables)
        Console().print(asyncio.run(measure(EventStream())))


if __name__ == "__main__":
    main()
