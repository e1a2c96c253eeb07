"""Whether the time of an answer tells known addresses from unknown ones."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Awaitable, Callable

import asyncpg
import httpx
from argon2 import PasswordHasher

from tests.corner import Corner

ROUNDS = 260
# A cost at which a hash left out would show (4 ms), and one at which old accounts would (12 ms).
COST = {"ARGON2_MEMORY_KIB": "4096", "ARGON2_TIME": "2"}
OTHER_COST = {"ARGON2_MEMORY_KIB": "12288", "ARGON2_TIME": "2"}

Call = Callable[[str], Awaitable[httpx.Response]]


def auc(left: list[float], right: list[float]) -> float:
    """The area under the ROC curve of telling left from right by size: 0.5 is a coin."""
    ranked = sorted([(value, 0) for value in left] + [(value, 1) for value in right])
    ranks = sum(place for place, (_, side) in enumerate(ranked, 1) if side)
    n, m = len(right), len(left)
    return (ranks - n * (n + 1) / 2) / (n * m)


async def auc_of(call: Call, known: list[str], unknown: list[str], status: int) -> float:
    """Interleaved, in a random order within each round; the AUC of known against unknown."""
    times: tuple[list[float], list[float]] = ([], [])
    for pair in zip(known, unknown, strict=True):
        for side in secrets.choice([(0, 1), (1, 0)]):
            began = time.perf_counter()
            answer = await call(pair[side])
            times[side].append(time.perf_counter() - began)
            assert answer.status_code == status, answer.text
    found = auc(*times)
    medians = [sorted(each)[len(each) // 2] * 1000 for each in times]
    print(f"AUC {found:.3f}, medians {medians[0]:.2f} and {medians[1]:.2f} ms")
    return found


def addresses(what: str) -> list[str]:
    # Fixed, because which dummy an unknown name gets is decided by the name.
    return [f"{what}-{number:04}@example.org" for number in range(ROUNDS)]


async def accounts_with(
    corner: Corner, addresses: list[str], costs: list[dict[str, str]], *imported: str
) -> None:
    """Accounts with these addresses, whose hashes cost `costs` in turn or are `imported`."""
    hashes = [
        PasswordHasher(int(cost["ARGON2_TIME"]), int(cost["ARGON2_MEMORY_KIB"]), 1).hash("x" * 20)
        for cost in costs
    ]
    hashes += imported
    rows = [
        (uuid.uuid4(), address, "Ann", hashes[number % len(hashes)])
        for number, address in enumerate(addresses)
    ]
    connection = await asyncpg.connect(corner.database_url)
    await connection.executemany(
        "INSERT INTO accounts (id, email, name, password_hash, version) VALUES ($1, $2, $3, $4, 1)",
        rows,
    )
    await connection.execute("ANALYZE accounts")
    await connection.close()
