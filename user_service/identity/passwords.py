"""Hashing and verifying passwords, with the same work for people who do not exist."""

from __future__ import annotations

import hmac
import re
import secrets
from functools import partial
from hashlib import sha256

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from user_service.identity.hash_pool import HashPool
from user_service.identity.password_policy import normalized
from user_service.settings.limits import ArgonCost

PARAMETERS = re.compile(r"m=(\d+),t=(\d+),p=(\d+)")


class Passwords:
    """Argon2id in the hash pool, at the cost that the settings name."""

    def __init__(self, pool: HashPool, cost: ArgonCost, dummy_key: bytes) -> None:
        self._pool = pool
        self._cost = cost
        self._hasher = _hasher(cost)
        self._dummy_key = dummy_key
        self._dummies = [(1.0, _dummy(cost))]

    async def hash(self, password: str) -> str:
        """A PHC string; raises Overloaded."""
        text = normalized(password)
        return await self._pool.run(lambda: self._hasher.hash(text), yielding=True)

    async def verify(self, password: str, stored: str | None, identifier: str) -> bool:
        """Whether the password made this hash; raises Overloaded.

        Without a hash it takes as long as for some account: `identifier` chooses which.
        """
        text = normalized(password)
        against = stored or self._dummy_of(identifier)
        matches = await self._pool.run(lambda: self._matches(against, text))
        return matches and stored is not None

    async def renewed(self, password: str, stored: str) -> str | None:
        """A new hash where `stored` was made at another cost, unless the pool is busy."""
        if self._pool.busy or not self._hasher.check_needs_rehash(stored):
            return None
        return await self.hash(password)

    async def imitate(self, in_use: list[tuple[str, int]]) -> None:
        """Let dummy hashes cost what accounts' hashes cost, in the same shares.

        `in_use` holds parameters as in a PHC string and how many accounts have them. Without it
        the first raise of the cost would tell old accounts from none.
        """
        readable = [(cost, count) for text, count in in_use if (cost := _cost(text))]
        total = sum(count for _, count in readable)
        dummies, reached = [], 0
        for cost, count in readable:
            reached += count
            dummies.append((reached / total, await self._pool.run(partial(_dummy, cost))))
        self._dummies = dummies or self._dummies

    def _dummy_of(self, identifier: str) -> str:
        # By the identifier, because a name that exists also costs the same every time.
        mac = hmac.digest(self._dummy_key, identifier.encode(), sha256)
        point = int.from_bytes(mac[:8], "big") / 2**64
        return next(
            (dummy for reached, dummy in self._dummies if point < reached), self._dummies[-1][1]
        )

    def _matches(self, stored: str, text: str) -> bool:
        try:
            return self._hasher.verify(stored, text)
        except (VerificationError, InvalidHashError):
            return False


def _dummy(cost: ArgonCost) -> str:
    return _hasher(cost).hash(secrets.token_hex(16))


def _hasher(cost: ArgonCost) -> PasswordHasher:
    return PasswordHasher(cost.time, cost.memory, cost.lanes, type=Type.ID)


def _cost(parameters: str) -> ArgonCost | None:
    match = PARAMETERS.fullmatch(parameters)
    return ArgonCost(*map(int, match.groups())) if match else None
