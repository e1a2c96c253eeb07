"""What all kinds of digests, and their spellings, have in common."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import NamedTuple, Protocol

NUMBER = "([0-9]{1,10})"
# As in PHC strings; passlib writes a dot for the plus, Django the padding besides.
BASE64 = "([A-Za-z0-9+/.]{1,128}={0,2})"
HEX = "([0-9a-fA-F]{1,256})"
# A salt that is used as it stands: printable ASCII without the sign that ends it.
PLAIN = "([!-#%-~]{1,64})"

# Less salt is shared by too many; nobody's are longer.
SALT_BYTES = range(4, 65)
DIGEST_BYTES = range(16, 65)


class Derivation(Protocol):
    """How a password and a salt become a digest; `text` is how it is stored.

    What came from elsewhere may demand anything. `bounded` admits what ends within about a second
    of one core and 256 MiB: a file of digests must not take the machine.
    """

    @property
    def text(self) -> str: ...

    @property
    def bounded(self) -> bool: ...

    def fits(self, salt: bytes, digest: bytes) -> bool:
        """Whether salt and digest are as long as they may be."""

    def derive(self, password: bytes, salt: bytes, length: int) -> bytes: ...


class Dialect(NamedTuple):
    """One system's way of writing a digest, and what reads it: as derivation, salt and digest.

    ValueError when that makes no sense.
    """

    pattern: re.Pattern[str]
    read: Callable[[re.Match[str]], tuple[Derivation, bytes, bytes]]


def encoded(content: bytes) -> str:
    return b64encode(content).decode().rstrip("=")


def decoded(text: str) -> bytes:
    """Raises ValueError."""
    bare = text.rstrip("=").replace(".", "+")
    return b64decode(bare + "=" * (-len(bare) % 4), validate=True)
