"""Asking the service itself what a token is worth (RFC 7662)."""

from __future__ import annotations

import asyncio
import json
import logging
from base64 import b64encode
from collections import OrderedDict
from dataclasses import dataclass, field
from time import monotonic, time
from typing import Any
from urllib.parse import quote_plus

from gatepost_client.caller import Caller
from gatepost_client.wire import Silent, Wire

PATH = "/introspect"
MOST_REMEMBERED = 20_000
# While the service is silent one request in a second looks for it; the others need not wait.
PROBE_SECONDS = 1.0

log = logging.getLogger("gatepost_client")


@dataclass(frozen=True, slots=True)
class Introspection:
    """What `python -m user_service clients add NAME` has printed.

    `remember` is for how many seconds a good token is not asked about again: an ended session is
    noticed that much later.
    """

    client_id: str
    client_secret: str = field(repr=False)
    remember: float = 0.5


@dataclass(frozen=True, slots=True)
class _Told:
    active: bool
    until: float


class Introspector:
    def __init__(self, settings: Introspection, wire: Wire, issuer: str, audience: str) -> None:
        self._remember = settings.remember
        self._wire = wire
        self._ours = {"iss": issuer, "aud": audience, "token_type": "Bearer"}
        self._credentials = {"authorization": _basic(settings)}
        self._told: OrderedDict[bytes, _Told] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[bool]] = {}
        self._silent = False
        self._may_probe_at = 0.0

    async def active(self, token: str, digest: bytes, caller: Caller) -> bool:
        """Whether it counts at this moment; raises Silent. Asked once for all who wait for it."""
        told = self._told.get(digest)
        if told is not None and monotonic() < told.until:
            return told.active
        asking = self._asking.get(digest)
        if asking is None:
            self._stay_off()
            asking = asyncio.create_task(self._ask(token, digest, caller))
            self._asking[digest] = asking
            asking.add_done_callback(lambda done: self._asked(digest, done))
        return await asyncio.shield(asking)

    def _stay_off(self) -> None:
        if self._silent:
            if monotonic() < self._may_probe_at:
                raise Silent("the service was silent a moment ago")
            self._may_probe_at = monotonic() + PROBE_SECONDS

    def _asked(self, digest: bytes, done: asyncio.Task[bool]) -> None:
        del self._asking[digest]
        # Whoever waited may have hung up, and nobody else looks at the error.
        if not done.cancelled():
            done.exception()

    async def _ask(self, token: str, digest: bytes, caller: Caller) -> bool:
        asked_at = monotonic()
        try:
            answer = await self._wire.post(PATH, {"token": token}, self._credentials)
            described = _object(answer.body)
        except Silent as error:
            if not self._silent:
                log.warning("tokens cannot be introspected: %s", error)
            self._silent, self._may_probe_at = True, monotonic() + PROBE_SECONDS
            raise
        self._silent = False
        active = described == described | self._ours | _claims(caller) | {"active": True}
        # An ended session never comes back; a good one is known of as of when we asked.
        lasting = self._remember if active else caller.expires_at - time()
        self._put(digest, _Told(active, asked_at + lasting))
        return active

    def _put(self, digest: bytes, told: _Told) -> None:
        self._told.pop(digest, None)
        self._told[digest] = told
        if len(self._told) > MOST_REMEMBERED:
            self._told.popitem(last=False)


def _basic(settings: Introspection) -> str:
    # RFC 6749 §2.3.1: both are written as in a form before they are joined.
    pair = f"{quote_plus(settings.client_id)}:{quote_plus(settings.client_secret)}"
    return "Basic " + b64encode(pair.encode()).decode()


def _claims(caller: Caller) -> dict[str, Any]:
    """As the service tells them of the same token."""
    return {
        "sub": str(caller.user_id),
        "sid": str(caller.session_id),
        "jti": caller.token_id,
        "iat": caller.issued_at,
        "exp": caller.expires_at,
    }


def _object(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        told = None
    if type(told) is not dict or type(told.get("active")) is not bool:
        raise Silent("/introspect answered no RFC 7662 object")
    return told
