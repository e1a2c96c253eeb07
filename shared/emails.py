"""The emails that Gatepost sends, by the name that events carry and templates are filed under."""

from __future__ import annotations

from typing import Literal

# Of one length, so that an event's size does not tell which mail it asks for.
OtpEmail = Literal["one-time-code", "address-taken", "decoy-message"]
