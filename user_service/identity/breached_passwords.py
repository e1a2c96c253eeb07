"""Passwords that breaches have made known, asked of a range service by k-anonymity.

Five hex digits of a password's SHA-1 leave this process. The answer lists how the hashes of all
breached passwords that begin so go on, and by Add-Padding its size does not tell how many.
"""

from __future__ import annotations

import re
from hashlib import sha1

import aiohttp
import structlog
from prometheus_client import CollectorRegistry, Counter

from user_service.errors import Unavailable
from user_service.identity.http_fetch import FETCH_ERRORS, UnexpectedAnswer, fetch, open_session
from user_service.storage.breaker import Breaker

SECONDS = 0.8
MOST_BYTES = 512 * 1024
PREFIX_DIGITS = 5
# Padding is listed with a count of 0.
LINE = re.compile(rb"(?P<rest>[0-9A-F]{35}):(?P<count>[0-9]{1,12})", re.IGNORECASE)

log = structlog.get_logger()


class BreachedPasswords:
    """`url` is followed by the five digits. A service that fails must not stop a registration:
    then a password counts as unknown, which the log and a metric tell."""

    def __init__(self, url: str, registry: CollectorRegistry) -> None:
        self._url = url
        self._session: aiohttp.ClientSession
        self._breaker = Breaker("breach-check", lambda: self._range("00000"))
        self._checks = Counter(
            "gatepost_breach_checks",
            "New passwords looked up among breached ones.",
            ("outcome",),
            registry=registry,
        )

    def open(self) -> None:
        self._session = open_session(**{"Add-Padding": "true"})

    async def close(self) -> None:
        await self._breaker.close()
        await self._session.close()

    async def hold(self, password: str) -> bool:
        """Whether a breach has made the password known, as far as can be told within a second."""
        digest = sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
        prefix, rest = digest[:PREFIX_DIGITS], digest[PREFIX_DIGITS:].encode()
        try:
            self._breaker.require_closed()
            listed = await self._range(prefix)
        except Unavailable:
            self._checks.labels("failed").inc()
            return False
        except FETCH_ERRORS as error:
            self._breaker.failed(error)
            self._checks.labels("failed").inc()
            log.warning("breach_check_failed", reason=repr(error))
            return False
        self._breaker.succeeded()
        self._checks.labels("hit" if rest in listed else "miss").inc()
        return rest in listed

    async def _range(self, prefix: str) -> set[bytes]:
        """How the breached hashes with this beginning go on; raises whatever went wrong."""
        body = await fetch(
            self._session, self._url + prefix, seconds=SECONDS, most_bytes=MOST_BYTES
        )
        lines = [LINE.fullmatch(line) for line in body.split()]
        if None in lines:
            raise UnexpectedAnswer("not a range")
        return {line["rest"].upper() for line in lines if line and int(line["count"])}
