"""Accounts that came about without a registration: people for a load to log in."""

from __future__ import annotations

from uuid import uuid4

from argon2 import PasswordHasher

from tests.bench.bench import SHIPPED_COST
from tests.corner import Corner
from tests.load import wire
from tests.people import PASSWORD, fresh_network

CHEAPEST = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
SHIPPED = PasswordHasher(
    time_cost=SHIPPED_COST.time,
    memory_cost=SHIPPED_COST.memory,
    parallelism=SHIPPED_COST.lanes,
)
ADDED = """
    INSERT INTO accounts (id, email, name, password_hash, version)
    SELECT uuidv7(), $1 || '-' || number || '@example.org', 'Ann Example', $2, 1
    FROM generate_series(1, $3::int) AS number
    RETURNING email
"""


def log_ins(corner: Corner, many: int, hasher: PasswordHasher = CHEAPEST) -> list[bytes]:
    """One login for each of so many new people: nobody logs in twice within seconds."""
    added = corner.rows(ADDED, f"member-{uuid4().hex[:8]}", hasher.hash(PASSWORD), many)
    return [log_in(row["email"]) for row in added]


def log_in(email: str) -> bytes:
    body = {"email": email, "password": PASSWORD}
    return wire("POST", "/api/auth/login", json=body, headers=from_somewhere())


def from_somewhere() -> dict[str, str]:
    """Each caller has a network of its own, and calls through the trusted proxy."""
    return {"x-forwarded-for": fresh_network()}
