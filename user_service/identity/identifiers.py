"""What people name an account by: its address or its username."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from user_service.identity.addresses import canonical_address
from user_service.identity.names import canonical_username


class Identifier(Struct, frozen=True):
    """A canonical email address or username."""

    kind: Literal["email", "username"]
    value: str

    @classmethod
    def typed(cls, text: str) -> Identifier:
        """Where either may be typed: no username has an `@`. Raises InvalidFields."""
        if "@" in text:
            return cls("email", canonical_address(text))
        return cls("username", canonical_username(text))
