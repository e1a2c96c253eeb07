"""One master key from the settings, and the keys derived from it for each use."""

from __future__ import annotations

import hmac
import secrets
from hashlib import blake2b, sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12


class WrongMasterKey(Exception):
    """A key was sealed under another master key."""

    def __init__(self, bound_to: str) -> None:
        super().__init__(f"MASTER_KEY is not the one that key {bound_to} was sealed under.")


class MasterKey:
    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._cipher = AESGCM(self.derive("seal"))
        self._pseudonym_key = self.derive("pseudonym")

    def derive(self, use: str) -> bytes:
        """32 bytes for one use, which tell nothing about those of another."""
        return hmac.digest(self._secret, f"gatepost {use}".encode(), sha256)

    def pseudonym(self, text: str) -> str:
        """A stable name for an address or a network where personal data should not stand."""
        return blake2b(text.encode(), key=self._pseudonym_key, digest_size=16).hexdigest()

    def seal(self, plain: bytes, bound_to: str) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, bound_to.encode())

    def unseal(self, sealed: bytes, bound_to: str) -> bytes:
        """The sealed bytes; raises WrongMasterKey."""
        nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, ciphertext, bound_to.encode())
        except InvalidTag:
            raise WrongMasterKey(bound_to) from None
