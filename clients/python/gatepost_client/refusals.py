"""Every refusal, and how HTTP and WebSockets tell it."""

from __future__ import annotations

from typing import ClassVar


class Refused(Exception):
    """`challenge` and `retry_after` (seconds) become headers, `close_code` ends a WebSocket."""

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]
    detail: ClassVar[str]
    close_code: ClassVar[int]
    challenge: ClassVar[str | None] = None
    retry_after: ClassVar[int | None] = None


class TokenRejected(Refused):
    """It is forged, has expired, is for somebody else, or its session has ended."""

    status = 401
    code = "token_rejected"
    title = "Access token rejected"
    detail = "This access token is not valid, or its session has ended. Get a new one."
    close_code = 4401
    challenge = 'Bearer error="invalid_token"'


class TokenMissing(TokenRejected):
    """RFC 6750 §3.1: who sent none is told no error."""

    code = "token_missing"
    title = "Access token missing"
    detail = "Send an access token as 'Authorization: Bearer <token>'."
    challenge = "Bearer"


class UnknownKey(TokenRejected):
    """It names a key that we do not know, or not yet."""


class Unavailable(Refused):
    """Nobody can say at this moment what the token is worth."""

    status = 503
    code = "unavailable"
    title = "Temporarily unavailable"
    detail = "Access tokens cannot be checked right now. Nothing was done; try again in a moment."
    # RFC 6455's registry: try again later.
    close_code = 1013
    retry_after = 1
