"""Hashing and verifying passwords, with the same work for people who do not exist."""

from __future__ import annotations

import hmac
from functools import partial
from hashlib import sha256

from user_service.identity.hash_pool import HashPool
from user_service.identity.password_hashes import Argon2, StoredHash, scheme_of
from user_service.settings.limits import ArgonCost


class Passwords:
    """Argon2id in the hash pool, at the cost that the settings name.

    Hashes that came with imported accounts are verified there too, and renewed into ours.
    """

    def __init__(self, pool: HashPool, cost: ArgonCost, dummy_key: bytes) -> None:
        self._pool = pool
        self._ours = Argon2.ours(cost)
        self._dummy_key = dummy_key
        self._dummies = [(1.0, StoredHash.dummy(self._ours))]

    def require_room(self, *, yielding: bool = False) -> None:
        """Raise Overloaded where a hash would be refused at once; those of new passwords yield.

        For those who would ask Redis and Postgres before: in a flood, what the refusals cost is
        taken from the hashes.
        """
        self._pool.require_room(yielding=yielding)

    async def hash(self, password: str) -> str:
        """A PHC string; raises Overloaded."""
        made = await self._pool.run(partial(StoredHash.made, self._ours, password), yielding=True)
        return made.text

    async def verify(self, password: str, stored: str | None, identifier: str) -> bool:
        """Whether the password made this hash; raises Overloaded.

        Without a hash it takes as long as for some account: `identifier` chooses which.
        """
        against = StoredHash.read(stored) if stored else None
        known = against is not None
        against = against or self._dummy_of(identifier)
        return await self._pool.run(partial(against.matches, password)) and known

    async def renewed(self, password: str, stored: str) -> str | None:
        """A new hash where `stored` is none of ours or of another cost, unless the pool is busy."""
        if self._pool.busy or scheme_of(stored) == f"${self._ours.text}":
            return None
        return await self.hash(password)

    def imitate(self, in_use: list[tuple[str, int]]) -> None:
        """Let dummy hashes cost what accounts' hashes cost, in the same shares.

        `in_use` holds schemes, as `scheme_of` has them, and how many accounts have each. Without it
        the first raise of the cost would tell old accounts from none, and every import would.
        """
        readable = [
            (dummy, count) for scheme, count in in_use if (dummy := StoredHash.dummy_of(scheme))
        ]
        total = sum(count for _, count in readable)
        dummies, reached = [], 0
        for dummy, count in readable:
            reached += count
            dummies.append((reached / total, dummy))
        self._dummies = dummies or self._dummies

    def _dummy_of(self, identifier: str) -> StoredHash:
        # By the identifier, because a name that exists also costs the same every time.
        mac = hmac.digest(self._dummy_key, identifier.encode(), sha256)
        point = int.from_bytes(mac[:8], "big") / 2**64
        return next(
            (dummy for reached, dummy in self._dummies if point < reached), self._dummies[-1][1]
        )
