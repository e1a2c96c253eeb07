"""Who calls: what a checked access token says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

KEY = "gatepost.caller"


@dataclass(frozen=True, slots=True)
class Caller:
    """Both moments are in seconds since 1970."""

    user_id: UUID
    session_id: UUID
    token_id: str
    issued_at: int
    expires_at: int


def caller_of(scope: Mapping[str, Any]) -> Caller:
    """Who sent this request or opened this socket; raises LookupError where nobody had to say."""
    caller = maybe_caller_of(scope)
    if caller is None:
        raise LookupError("nobody has shown a token here: the path is exempt, or none is required")
    return caller


def maybe_caller_of(scope: Mapping[str, Any]) -> Caller | None:
    """The same where a token is not required; raises LookupError without the middleware."""
    if KEY not in scope:
        raise LookupError("GatepostMiddleware has not seen this request")
    caller: Caller | None = scope[KEY]
    return caller
