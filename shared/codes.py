"""One-time codes are derived, never stored: both services compute the same code from one key.

The challenge id is 192 random bits, so a code says nothing about any other code. A redelivered
event derives the same code again, and a changed address derives another one.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Literal

from msgspec import Struct

from shared.env import Environment

Purpose = Literal["register", "recover", "change-email"]

DIGITS = 6


class UnknownOtpKey(LookupError):
    """The key that made a code is not among ours: it has not been rolled out here yet."""


class OtpKeys(Struct, frozen=True):
    """The keyring of `OTP_KEYS`: `kid:secret` pairs, of which the first makes new codes."""

    current: str
    secrets: dict[str, bytes]

    @classmethod
    def parse(cls, pairs: tuple[str, ...]) -> OtpKeys:
        """Keys from `kid:secret` strings; raises ValueError when one is not of that form."""
        secrets: dict[str, bytes] = {}
        for pair in pairs:
            kid, colon, secret = pair.partition(":")
            if not (kid and colon and secret) or kid in secrets:
                raise ValueError("OTP_KEYS must be kid:secret pairs, comma-separated, kids unique.")
            secrets[kid] = secret.encode()
        if not secrets:
            raise ValueError("OTP_KEYS must hold at least one kid:secret pair.")
        return cls(current=next(iter(secrets)), secrets=secrets)

    @classmethod
    def read(cls, env: Environment) -> OtpKeys:
        """The keyring of the variable `OTP_KEYS`; what is wrong with it is remembered by `env`."""
        pairs = tuple(pair.strip() for pair in env.secret("OTP_KEYS").split(",") if pair.strip())
        try:
            keys = cls.parse(pairs)
        except ValueError as error:
            if pairs:
                env.problem(str(error))
            return cls("", {})
        for kid, secret in keys.secrets.items():
            env.judge_key(f"OTP_KEYS ({kid})", secret.decode())
        return keys

    def code(
        self, kid: str, purpose: Purpose, challenge_id: str, sequence: int, address: str
    ) -> str:
        """The six digits mailed to `address`, by RFC 4226's truncation."""
        mac = self._mac(kid, "code", purpose, challenge_id, str(sequence), address)
        offset = mac[-1] & 0x0F
        number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFFFFFF
        return str(number % 10**DIGITS).zfill(DIGITS)

    def digest(
        self, kid: str, purpose: Purpose, challenge_id: str, address: str, code: str
    ) -> bytes:
        """What is kept of a code: 32 bytes that only a holder of the key can match to digits."""
        return self._mac(kid, "digest", purpose, challenge_id, address, code)

    def link_token(
        self, kid: str, purpose: Purpose, challenge_id: str, sequence: int, address: str
    ) -> str:
        """What a link in the mail carries in place of the code: the id and a MAC nobody guesses."""
        mac = self._mac(kid, "link", purpose, challenge_id, str(sequence), address)
        return f"{challenge_id}.{urlsafe_b64encode(mac).decode().rstrip('=')}"

    def _mac(self, kid: str, *fields: str) -> bytes:
        key = self.secrets.get(kid)
        if key is None:
            raise UnknownOtpKey(kid)
        # Length prefixes: without them ("ab", "c") and ("a", "bc") would share a code.
        parts = (field.encode() for field in fields)
        message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(key, message, sha256)
