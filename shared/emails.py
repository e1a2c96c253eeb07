"""The emails that Gatepost sends, by the name that events carry and templates are filed under."""

from __future__ import annotations

from typing import Literal

# Of one length, so that an event's size does not tell which mail it asks for.
OtpEmail = Literal["one-time-code", "address-taken", "decoy-message"]

# What a person is told. Beside these, every notice has the fact `when`, from its event's time.
NoticeEmail = Literal[
    "account-deleted",
    "email-changed",  # facts: new_address, masked; sent to both addresses
    "new-sign-in",  # facts: where (the address it came from), device
    "password-changed",
    "password-reset-required",
]
