"""What a request costs the user service, against a bare Litestar answer in the same run.

`python -m tests.bench.request_cost` prints CPU per request as a multiple of B, and how close logins
come to the raw rate of their hash thread.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg
from argon2 import PasswordHasher
from rich.console import Console
from rich.table import Table

from dev_stack import parts
from tests.bench.process_cpu import cpu_seconds, resident_mib
from tests.corner import Corner
from tests.people import PASSWORD
from tests.service_process import ServiceProcess, free_port
from tests.user_service.services import registered

CONNECTIONS = 8
REFRESHES = 3_000
UNLIMITED = "1000000/second"
NO_LIMITS = dict.fromkeys(
    ("LIMIT_LOGIN", "LIMIT_REGISTER", "LIMIT_VERIFY", "LIMIT_RESEND"), UNLIMITED
)
CHEAPEST = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
REAL = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    json: dict[str, Any] | None = None
    headers: dict[str, str] | None = None
    form: dict[str, str] | None = None


async def load(url: str, count: int, call: Callable[[int], Call], expected: int) -> float:
    """Seconds for `count` calls over the connections; each must be answered as expected."""
    numbers = iter(range(count))

    async def connection(session: aiohttp.ClientSession) -> None:
        for number in numbers:
            one = call(number)
            async with session.request(
                one.method, one.path, json=one.json, data=one.form, headers=one.headers
            ) as answer:
                assert answer.status == expected, await answer.text()
                await answer.read()

    async with aiohttp.ClientSession(url) as session:
        began = time.perf_counter()
        await asyncio.gather(*(connection(session) for _ in range(CONNECTIONS)))
        return time.perf_counter() - began


def cost(pid: int, url: str, count: int, call: Callable[[int], Call], expected: int) -> float:
    """CPU seconds of the process tree for each call."""
    asyncio.run(load(url, count // 10, call, expected))
    before = cpu_seconds(pid)
    asyncio.run(load(url, count, call, expected))
    return (cpu_seconds(pid) - before) / count


@contextmanager
def bare_server() -> Iterator[tuple[int, str]]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.bare", str(port)])
    time.sleep(2)
    try:
        yield process.pid, f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


async def add_members(corner: Corner, count: int, hasher: PasswordHasher) -> list[str]:
    """Addresses of accounts with the usual password."""
    hashed = hasher.hash(PASSWORD)
    addresses = [f"member-{number}-{uuid4().hex[:8]}@example.org" for number in range(count)]
    connection = await asyncpg.connect(corner.database_url)
    await connection.executemany(
        "INSERT INTO accounts (id, email, name, password_hash, version) VALUES ($1,$2,'M',$3,1)",
        [(uuid4(), address, hashed) for address in addresses],
    )
    await connection.close()
    return addresses


def login(addresses: Iterator[str]) -> Callable[[int], Call]:
    return lambda _: Call(
        "POST", "/api/auth/login", {"email": next(addresses), "password": PASSWORD}
    )


def register() -> Callable[[int], Call]:
    numbers = itertools.count()

    def call(_: int) -> Call:
        person = {"name": "Ann", "password": PASSWORD, "email": f"new-{uuid4().hex}@example.org"}
        network = f"10.{next(numbers) % 250}.{next(numbers) % 250}.1"
        return Call("POST", "/api/auth/register", person, {"x-forwarded-for": network})

    return call


async def sign_in(url: str, addresses: Iterator[str], many: int) -> list[dict[str, str]]:
    """The tokens of so many people's new sessions."""
    signed_in = []
    async with aiohttp.ClientSession(url) as session:
        for address in itertools.islice(addresses, many):
            body = {"email": address, "password": PASSWORD}
            async with session.post("/api/auth/login", json=body) as answer:
                signed_in.append((await answer.json())["data"])
    return signed_in


def profile(url: str, addresses: Iterator[str]) -> Callable[[int], Call]:
    (tokens,) = asyncio.run(sign_in(url, addresses, 1))
    headers = {"authorization": f"Bearer {tokens['token']}"}
    return lambda _: Call("GET", "/api/auth/profile", headers=headers)


def introspect(
    corner: Corner, service: ServiceProcess, addresses: Iterator[str]
) -> Callable[[int], Call]:
    (tokens,) = asyncio.run(sign_in(service.url, addresses, 1))
    headers = {"authorization": registered(corner, service).basic}
    return lambda _: Call("POST", "/introspect", form={"token": tokens["token"]}, headers=headers)


def refresh(url: str, addresses: Iterator[str]) -> Callable[[int], Call]:
    """Each token is spent once: as many people as calls, warming up included."""
    tokens = iter(asyncio.run(sign_in(url, addresses, REFRESHES + REFRESHES // 10)))
    return lambda _: Call(
        "POST", "/api/auth/refresh", {"refresh_token": next(tokens)["refresh_token"]}
    )


def raw_hashes(seconds: float = 3.0) -> float:
    """Hashes a second of one thread with the real parameters."""
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        REAL.hash(PASSWORD)
        count += 1
    return count / (time.perf_counter() - began)


def cpu_table(corner: Corner) -> Table:
    table = Table("operation", "CPU µs", "× B", "target", title="Service CPU per request")
    with bare_server() as (pid, url):
        bare = cost(pid, url, 20_000, lambda _: Call("GET", "/"), 200)
    table.add_row("bare Litestar answer (B)", f"{bare * 1e6:.0f}", "1.0", "")
    # One login each: two within seconds are watched more closely, and nobody does that.
    members = iter(asyncio.run(add_members(corner, 10_000, CHEAPEST)))
    with ServiceProcess.started(corner.variables, **NO_LIMITS) as service:
        table.caption = "idle: " + ", ".join(
            f"{mib:.0f} MiB" for mib in resident_mib(service.process.pid)
        )
        for name, count, call, expected, target in (
            ("profile", 10_000, profile(service.url, members), 200, 4.5),
            ("introspect", 10_000, introspect(corner, service, members), 200, 5),
            ("refresh", REFRESHES, refresh(service.url, members), 200, 12),
            ("login, cheapest Argon2", 4_000, login(members), 200, 18),
            ("register, cheapest Argon2", 4_000, register(), 202, 25),
        ):
            seconds = cost(service.process.pid, service.url, count, call, expected)
            ratio = f"{seconds / bare:.1f}"
            table.add_row(name, f"{seconds * 1e6:.0f}", ratio, f"≤ {target}")
    return table


def hash_table(corner: Corner) -> Table:
    table = Table("", "per second", "ratio", title="Logins against raw hashes, one hash thread")
    members = iter(asyncio.run(add_members(corner, 2_000, REAL)))
    real = {"ARGON2_MEMORY_KIB": "19456", "ARGON2_TIME": "2", "HASH_THREADS": "1"}
    with ServiceProcess.started(corner.variables, **NO_LIMITS, **real) as service:
        raw = raw_hashes()
        count = int(raw * 8)
        rate = count / asyncio.run(load(service.url, count, login(members), 200))
        raw = (raw + raw_hashes()) / 2
    table.add_row("raw Argon2id m=19456 t=2", f"{raw:.1f}", "1.00")
    table.add_row("logins", f"{rate:.1f}", f"{rate / raw:.2f} (target ≥ 0.95)")
    return table


def main() -> None:
    console = Console()
    with ExitStack() as stack:
        os.environ.update(stack.enter_context(parts.disposable()).variables)
        corner = stack.enter_context(Corner.made("bench"))
        console.print(cpu_table(corner))
        console.print(hash_table(corner))


if __name__ == "__main__":
    main()
