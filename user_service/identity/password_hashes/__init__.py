"""What is kept of passwords: hashes of our own, and those that came with imported accounts."""

from __future__ import annotations

from user_service.identity.password_hashes.argon2 import Argon2
from user_service.identity.password_hashes.foreign import DigestRefused, canonical_digest
from user_service.identity.password_hashes.stored import StoredHash, scheme_of

__all__ = ["Argon2", "DigestRefused", "StoredHash", "canonical_digest", "scheme_of"]
