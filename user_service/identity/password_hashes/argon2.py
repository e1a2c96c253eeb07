"""Argon2: ours is Argon2id, others have Argon2i too."""

from __future__ import annotations

import re
from typing import ClassVar

from argon2.low_level import Type, hash_secret_raw
from msgspec import Struct

from user_service.identity.password_hashes.reading import (
    BASE64,
    DIGEST_BYTES,
    NUMBER,
    Dialect,
    decoded,
)
from user_service.settings.limits import (
    MOST_ARGON_KIB,
    MOST_ARGON_LANES,
    MOST_ARGON_PASSES,
    ArgonCost,
)

COST = f"m={NUMBER},t={NUMBER},p={NUMBER}"
SALT_BYTES = range(8, 65)


class Argon2(Struct, frozen=True):
    """`variant` is `argon2id` or `argon2i`. Version 16 derives otherwise than 19, today's."""

    variant: str
    version: int
    cost: ArgonCost

    PATTERN: ClassVar = re.compile(rf"(argon2id?)\$v=(16|19)\${COST}")

    @classmethod
    def ours(cls, cost: ArgonCost) -> Argon2:
        return cls("argon2id", 19, cost)

    @classmethod
    def read(cls, match: re.Match[str]) -> Argon2:
        variant, version, *cost = match.groups()[:5]
        # Who wrote no version had never heard of another than 16.
        return cls(variant, int(version or 16), ArgonCost(*map(int, cost)))

    @property
    def text(self) -> str:
        cost = f"m={self.cost.memory},t={self.cost.time},p={self.cost.lanes}"
        return f"{self.variant}$v={self.version}${cost}"

    @property
    def bounded(self) -> bool:
        # 256 MiB, and 1 GiB of it written: a second. Each pass starts its lanes' threads anew.
        memory, time, lanes = self.cost.memory, self.cost.time, self.cost.lanes
        if not (1 <= lanes <= 8 and 8 * lanes <= memory <= 2**18 and 1 <= time <= 64):
            return False
        return memory * time <= 2**20

    @property
    def may_be_ours(self) -> bool:
        """Whether a setting, today's or a former one, can have made it."""
        memory, time, lanes = self.cost.memory, self.cost.time, self.cost.lanes
        in_settings = memory <= MOST_ARGON_KIB and time <= MOST_ARGON_PASSES
        return self == Argon2.ours(self.cost) and in_settings and lanes <= MOST_ARGON_LANES

    def fits(self, salt: bytes, digest: bytes) -> bool:
        return len(salt) in SALT_BYTES and len(digest) in DIGEST_BYTES

    def derive(self, password: bytes, salt: bytes, length: int) -> bytes:
        cost = self.cost
        variant = Type.ID if self.variant == "argon2id" else Type.I
        return hash_secret_raw(
            password, salt, cost.time, cost.memory, cost.lanes, length, variant, self.version
        )


def _read(match: re.Match[str]) -> tuple[Argon2, bytes, bytes]:
    return Argon2.read(match), decoded(match[6]), decoded(match[7])


DIALECTS = (
    # Django writes its own name for it before.
    Dialect(
        re.compile(rf"(?:argon2)?\$(argon2id?)\$(?:v=(16|19)\$)?{COST}\${BASE64}\${BASE64}"),
        _read,
    ),
)
