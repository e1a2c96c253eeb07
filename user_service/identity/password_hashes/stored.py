"""The text in `accounts.password_hash`: `$derivation$salt$digest`, as in a PHC string.

What was made elsewhere has `imported` before it, until its owner logs in and it becomes ours.
"""

from __future__ import annotations

import hmac
import secrets

from msgspec import Struct

from user_service.identity.password_hashes.argon2 import Argon2
from user_service.identity.password_hashes.derivations import read_derivation
from user_service.identity.password_hashes.reading import Derivation, decoded, encoded
from user_service.identity.password_policy import normalized

IMPORTED = "imported"
MOST_CHARACTERS = 512


class StoredHash(Struct, frozen=True):
    derivation: Derivation
    salt: bytes
    digest: bytes
    imported: bool

    @classmethod
    def made(cls, derivation: Argon2, password: str) -> StoredHash:
        """One of ours, with a salt of its own."""
        salt = secrets.token_bytes(16)
        digest = derivation.derive(normalized(password).encode(), salt, 32)
        return cls(derivation, salt, digest, imported=False)

    @classmethod
    def read(cls, text: str) -> StoredHash | None:
        """None when it is no such text, or demands more than it may: a row is data."""
        derivation = _admitted(scheme_of(text))
        if derivation is None or len(text) > MOST_CHARACTERS:
            return None
        try:
            salt, digest = map(decoded, text.rsplit("$", 2)[1:])
        except ValueError:
            return None
        if not derivation.fits(salt, digest):
            return None
        return cls(derivation, salt, digest, imported=_is_imported(text))

    @classmethod
    def dummy(cls, derivation: Derivation, *, imported: bool = False) -> StoredHash:
        """One that no password has made, and that takes as long as any other."""
        return cls(derivation, secrets.token_bytes(16), secrets.token_bytes(32), imported)

    @classmethod
    def dummy_of(cls, scheme: str) -> StoredHash | None:
        """A dummy of this scheme, as `scheme_of` has it; None when no hash may be of it."""
        derivation = _admitted(scheme)
        return cls.dummy(derivation, imported=_is_imported(scheme)) if derivation else None

    @property
    def text(self) -> str:
        origin = IMPORTED if self.imported else ""
        return f"{origin}${self.derivation.text}${encoded(self.salt)}${encoded(self.digest)}"

    def matches(self, password: str) -> bool:
        # Elsewhere a password was hashed as it was typed.
        typed = password if self.imported else normalized(password)
        made = self.derivation.derive(typed.encode(), self.salt, len(self.digest))
        return hmac.compare_digest(made, self.digest)


def scheme_of(text: str) -> str:
    """Origin, algorithm and parameters: all but salt and digest, as password_store.schemes_in_use
    cuts it in SQL."""
    return text.rsplit("$", 2)[0]


def _is_imported(text: str) -> bool:
    return text.startswith(IMPORTED)


def _admitted(scheme: str) -> Derivation | None:
    origin, _, text = scheme.partition("$")
    derivation = read_derivation(text)
    if origin == IMPORTED:
        return derivation if derivation is not None and derivation.bounded else None
    if origin or not isinstance(derivation, Argon2):
        return None
    return derivation if derivation.may_be_ours else None
