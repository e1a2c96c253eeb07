"""A registration and the proof of its mailbox, as requests that are made before they are sent."""

from __future__ import annotations

from collections.abc import Mapping

from shared.codes import OtpKeys
from tests.corner import OTP_KEY
from tests.load import wire
from tests.people import PASSWORD

KEYS = OtpKeys.parse((f"k1:{OTP_KEY}",))


def registration(address: str, headers: Mapping[str, str] = {}) -> bytes:
    body = {"name": "Ann Example", "email": address, "password": PASSWORD}
    return wire("POST", "/api/auth/register", json=body, headers=headers)


def verification(address: str, registration_id: str, headers: Mapping[str, str] = {}) -> bytes:
    """With the right code: it is derived here, as the email service does."""
    code = KEYS.code("k1", "register", registration_id, 1, address)
    body = {"email": address, "otp": code, "registration_id": registration_id}
    return wire("POST", "/api/auth/verify-otp", json=body, headers=headers)
