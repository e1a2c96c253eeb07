"""Reading digests as other systems write them: once, at an import, into one spelling."""

from __future__ import annotations

import re

from user_service.identity.password_hashes.derivations import DIALECTS
from user_service.identity.password_hashes.reading import Dialect
from user_service.identity.password_hashes.stored import MOST_CHARACTERS, StoredHash

UNREADABLE = "password digest of no format that is known here"
OUT_OF_BOUNDS = "password digest costs more than a login may, or too little to be one"


class DigestRefused(Exception):
    """Its text says why, and holds nothing of the digest."""


def canonical_digest(text: str) -> str:
    """What `accounts.password_hash` holds for a digest that was made elsewhere.

    Raises DigestRefused.
    """
    for dialect in DIALECTS:
        if match := dialect.pattern.fullmatch(text[: MOST_CHARACTERS + 1]):
            return _judged(dialect, match)
    raise DigestRefused(UNREADABLE)


def _judged(dialect: Dialect, match: re.Match[str]) -> str:
    try:
        stored = StoredHash(*dialect.read(match), imported=True)
    except ValueError:
        raise DigestRefused(UNREADABLE) from None
    if not stored.derivation.bounded:
        raise DigestRefused(OUT_OF_BOUNDS)
    if not stored.derivation.fits(stored.salt, stored.digest):
        raise DigestRefused(UNREADABLE)
    return stored.text
