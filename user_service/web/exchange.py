"""One request and its answer, as every layer above the features sees it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from litestar import Request

from user_service.identity.session_store import Device
from user_service.storage.rate_limits import Client

SCOPE_KEY = "gatepost.exchange"
REQUEST_ID = re.compile(rb"[A-Za-z0-9_-]{8,64}")

LONGEST_USER_AGENT = 256

AnyRequest = Request[Any, Any, Any]
RawHeaders = Iterable[tuple[bytes, bytes]]


@dataclass(slots=True)
class Exchange:
    """`subject` is the account that a request turned out to be about, `code` is a refusal's.

    `https` tells whether callers reach us by https.
    """

    client: Client
    https: bool
    headers: Mapping[bytes, bytes]
    request_id: str = field(default_factory=lambda: secrets.token_hex(8))
    status: int = 0
    subject: str | None = None
    code: str | None = None

    @classmethod
    def begin(cls, client: Client, raw_headers: RawHeaders, *, https: bool) -> Exchange:
        exchange = cls(client, https, dict(raw_headers))
        # A caller may bring its own id to follow a request through its logs, but nothing else.
        given = exchange.headers.get(b"x-request-id", b"")
        if REQUEST_ID.fullmatch(given):
            exchange.request_id = given.decode()
        return exchange


def device_of(exchange: Exchange) -> Device:
    """What a session that is opened by this request will be recognised by."""
    user_agent = exchange.headers.get(b"user-agent", b"").decode("latin-1")
    return Device(exchange.client.address, user_agent[:LONGEST_USER_AGENT])


def exchange_of(request: AnyRequest) -> Exchange:
    exchange: Exchange = request.scope[SCOPE_KEY]  # type: ignore[literal-required]
    return exchange
