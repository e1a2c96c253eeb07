"""Settings that take every limit out of the way, for tests that ask for something else."""

from __future__ import annotations

_NAMES = (
    "REGISTER",
    "RESEND",
    "RECOVERY",
    "VERIFY",
    "LOGIN",
    "EDIT",
    "ADDRESS_FROM_NETWORK",
    "ADDRESS",
)

UNLIMITED = {f"LIMIT_{name}": "1000000/second" for name in _NAMES}
