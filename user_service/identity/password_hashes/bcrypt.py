"""bcrypt, whose `$2a$`, `$2b$` and `$2y$` are one and the same by now."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import ClassVar

import bcrypt
from msgspec import Struct

from user_service.identity.password_hashes.reading import Dialect, encoded

# Its own base64 has the letters of the usual one in another order.
LETTERS = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
USUAL_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
TO_BCRYPT = str.maketrans(USUAL_LETTERS, LETTERS)
FROM_BCRYPT = str.maketrans(LETTERS, USUAL_LETTERS)
# No bcrypt has ever looked at more.
MOST_BYTES = 72


class Bcrypt(Struct, frozen=True):
    """`log_rounds` is the power of two that the number of rounds is."""

    log_rounds: int

    PATTERN: ClassVar = re.compile(r"bcrypt\$r=([0-9]{1,2})")

    @classmethod
    def read(cls, match: re.Match[str]) -> Bcrypt:
        return cls(int(match[1]))

    @property
    def text(self) -> str:
        return f"bcrypt$r={self.log_rounds}"

    @property
    def bounded(self) -> bool:
        # 2^14 take a second, and fewer than 2^4 no bcrypt makes.
        return 4 <= self.log_rounds <= 14

    def fits(self, salt: bytes, digest: bytes) -> bool:
        return (len(salt), len(digest)) == (16, 23)

    def derive(self, password: bytes, salt: bytes, length: int) -> bytes:
        letters = encoded(salt).translate(TO_BCRYPT)
        setting = f"$2b${self.log_rounds:02}${letters}"
        made = bcrypt.hashpw(password[:MOST_BYTES], setting.encode()).decode()
        return _decoded(made[len(setting) :])


def _decoded(letters: str) -> bytes:
    return b64decode(letters.translate(FROM_BCRYPT) + "==")


def _read(match: re.Match[str]) -> tuple[Bcrypt, bytes, bytes]:
    return Bcrypt.read(match), _decoded(match[2]), _decoded(match[3])


DIALECTS = (
    # Django writes its own name for it before.
    Dialect(
        re.compile(r"(?:bcrypt\$)?\$2[aby]\$([0-9]{2})\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})"),
        _read,
    ),
)
