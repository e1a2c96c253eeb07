"""Every kind of derivation that is known here."""

from __future__ import annotations

from user_service.identity.password_hashes import argon2, bcrypt, pbkdf2, scrypt
from user_service.identity.password_hashes.argon2 import Argon2
from user_service.identity.password_hashes.bcrypt import Bcrypt
from user_service.identity.password_hashes.pbkdf2 import Pbkdf2
from user_service.identity.password_hashes.reading import Derivation, Dialect
from user_service.identity.password_hashes.scrypt import Scrypt

DIALECTS: tuple[Dialect, ...] = (
    *argon2.DIALECTS,
    *bcrypt.DIALECTS,
    *scrypt.DIALECTS,
    *pbkdf2.DIALECTS,
)


def read_derivation(text: str) -> Derivation | None:
    """The one whose `text` it is, or None."""
    for kind in (Argon2, Bcrypt, Scrypt, Pbkdf2):
        if match := kind.PATTERN.fullmatch(text):
            return kind.read(match)
    return None
