"""scrypt, as passlib, werkzeug and Django write it."""

from __future__ import annotations

import hashlib
import re
from typing import ClassVar

from msgspec import Struct

from user_service.identity.password_hashes.reading import (
    BASE64,
    DIGEST_BYTES,
    HEX,
    NUMBER,
    PLAIN,
    SALT_BYTES,
    Dialect,
    decoded,
)

COST = f"ln={NUMBER},r={NUMBER},p={NUMBER}"
MOST_MEMORY = 2**28


class Scrypt(Struct, frozen=True):
    """`log_n` is the power of two that N is."""

    log_n: int
    r: int
    p: int

    PATTERN: ClassVar = re.compile(rf"scrypt\${COST}")

    @classmethod
    def read(cls, match: re.Match[str]) -> Scrypt:
        return cls(*map(int, match.groups()[:3]))

    @classmethod
    def of(cls, n: str, r: str, p: str) -> Scrypt:
        """With N itself; raises ValueError when it is no power of two."""
        log_n = int(n).bit_length() - 1
        if int(n) != 1 << max(log_n, 0):
            raise ValueError(n)
        return cls(log_n, int(r), int(p))

    @property
    def text(self) -> str:
        return f"scrypt$ln={self.log_n},r={self.r},p={self.p}"

    @property
    def bounded(self) -> bool:
        # The power first: 2 to a number of ten digits would not fit into memory itself.
        if not (10 <= self.log_n <= 20 and self.r >= 1 and self.p >= 1):
            return False
        # 128 MiB, written twice: three quarters of a second. RFC 7914 bounds N by r besides.
        blocks = self.r << self.log_n
        return blocks <= 2**20 and blocks * self.p <= 2**21 and self.log_n < 16 * self.r

    def fits(self, salt: bytes, digest: bytes) -> bool:
        return len(salt) in SALT_BYTES and len(digest) in DIGEST_BYTES

    def derive(self, password: bytes, salt: bytes, length: int) -> bytes:
        n, memory = 1 << self.log_n, MOST_MEMORY
        return hashlib.scrypt(
            password, salt=salt, n=n, r=self.r, p=self.p, maxmem=memory, dklen=length
        )


def _read_phc(match: re.Match[str]) -> tuple[Scrypt, bytes, bytes]:
    return Scrypt.read(match), decoded(match[4]), decoded(match[5])


def _read_werkzeug(match: re.Match[str]) -> tuple[Scrypt, bytes, bytes]:
    n, r, p, salt, digest = match.groups()
    return Scrypt.of(n, r, p), salt.encode(), bytes.fromhex(digest)


def _read_django(match: re.Match[str]) -> tuple[Scrypt, bytes, bytes]:
    salt, n, r, p, digest = match.groups()
    return Scrypt.of(n, r, p), salt.encode(), decoded(digest)


DIALECTS = (
    Dialect(re.compile(rf"\$scrypt\${COST}\${BASE64}\${BASE64}"), _read_phc),
    Dialect(
        re.compile(rf"scrypt:{NUMBER}:{NUMBER}:{NUMBER}\${PLAIN}\${HEX}"),
        _read_werkzeug,
    ),
    Dialect(
        re.compile(rf"scrypt\${PLAIN}\${NUMBER}\${NUMBER}\${NUMBER}\${BASE64}"),
        _read_django,
    ),
)
