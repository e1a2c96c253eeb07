"""What delivery asks of a sender, and the ways in which sending can fail.

SendFailed
├── TryLater      nobody's fault, or a timeout: the same mail may pass later
│   └── Throttled     too many: no mail will pass for a while
├── Refused       this mail will never pass
└── KeyRefused    no mail will pass until somebody mends our credentials
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct


class Mail(Struct, frozen=True):
    """One rendered mail. `event_id` travels along, so that a double can be told from a second."""

    event_id: str
    to: str
    subject: str
    text: str
    html: str


class SendFailed(Exception):
    """A mail was not accepted; the text says why in the provider's words."""


class TryLater(SendFailed):
    pass


class Throttled(TryLater):
    """The provider wants no request for `seconds`."""

    def __init__(self, reason: str, seconds: float) -> None:
        super().__init__(reason)
        self.seconds = seconds


class Refused(SendFailed):
    pass


class KeyRefused(SendFailed):
    pass


class Sender(Protocol):
    async def send(self, mail: Mail) -> None:
        """Return once the provider has taken the mail over; raises SendFailed.

        Knows no deadline of its own: the caller cancels a try that takes too long.
        """

    async def close(self) -> None: ...
