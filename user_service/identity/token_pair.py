"""What opens with a session and is renewed with every refresh."""

from __future__ import annotations

from msgspec import Struct

from user_service.identity.account_store import Account


class TokenPair(Struct, frozen=True):
    account: Account
    access: str
    refresh: str
