"""PBKDF2 with SHA-256 or SHA-512, as passlib, Django and werkzeug write it."""

from __future__ import annotations

import hashlib
import re
from typing import ClassVar

from msgspec import Struct

from user_service.identity.password_hashes.reading import (
    BASE64,
    HEX,
    NUMBER,
    PLAIN,
    SALT_BYTES,
    Dialect,
    decoded,
)

HASH = "(sha256|sha512)"


class Pbkdf2(Struct, frozen=True):
    """`hash` is `sha256` or `sha512`."""

    hash: str
    iterations: int

    PATTERN: ClassVar = re.compile(rf"pbkdf2-{HASH}\$i={NUMBER}")

    @classmethod
    def read(cls, match: re.Match[str]) -> Pbkdf2:
        return cls(match[1], int(match[2]))

    @property
    def text(self) -> str:
        return f"pbkdf2-{self.hash}$i={self.iterations}"

    @property
    def bounded(self) -> bool:
        # Two millions of SHA-512 take a second; fewer than a thousand nobody ever recommended.
        return 1_000 <= self.iterations <= 2_000_000

    def fits(self, salt: bytes, digest: bytes) -> bool:
        # A longer digest would need all of the iterations once more.
        return len(salt) in SALT_BYTES and len(digest) == hashlib.new(self.hash).digest_size

    def derive(self, password: bytes, salt: bytes, length: int) -> bytes:
        return hashlib.pbkdf2_hmac(self.hash, password, salt, self.iterations, length)


def _read_phc(match: re.Match[str]) -> tuple[Pbkdf2, bytes, bytes]:
    return Pbkdf2.read(match), decoded(match[3]), decoded(match[4])


def _read_django(match: re.Match[str]) -> tuple[Pbkdf2, bytes, bytes]:
    iterations, salt, digest = match.groups()
    return Pbkdf2("sha256", int(iterations)), salt.encode(), decoded(digest)


def _read_werkzeug(match: re.Match[str]) -> tuple[Pbkdf2, bytes, bytes]:
    return Pbkdf2.read(match), match[3].encode(), bytes.fromhex(match[4])


DIALECTS = (
    Dialect(
        re.compile(rf"\$pbkdf2-{HASH}\$(?:i=)?{NUMBER}(?:,l=(?:32|64))?\${BASE64}\${BASE64}"),
        _read_phc,
    ),
    Dialect(
        re.compile(rf"pbkdf2_sha256\${NUMBER}\${PLAIN}\${BASE64}"),
        _read_django,
    ),
    Dialect(
        re.compile(rf"pbkdf2:{HASH}:{NUMBER}\${PLAIN}\${HEX}"),
        _read_werkzeug,
    ),
)
