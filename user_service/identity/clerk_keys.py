"""The keys that Clerk signs session tokens with, as it publishes them (RFC 7517)."""

from __future__ import annotations

import asyncio
import time
from base64 import urlsafe_b64decode
from collections.abc import Mapping

import aiohttp
import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from msgspec import Struct

from user_service.errors import Unavailable
from user_service.identity.http_fetch import fetch, open_session
from user_service.settings.clerk import LEAST_RSA_BITS

SECONDS = 1.0
MOST_BYTES = 64 * 1024
EVERY_SECONDS = 600.0
# How soon they are read again for an unknown kid, and after Clerk did not answer.
AGAIN_SECONDS = 10.0
AGAIN_SECONDS_WITHOUT_ANY = 1.0
# Of a longer one every check would take long.
MOST_BITS = 8192

log = structlog.get_logger()


class PublishedKeys:
    """What `url` lists, kept for as long as it lists it, and while nobody answers there."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: aiohttp.ClientSession
        self._keys: Mapping[str, RSAPublicKey] = {}
        self._trouble = ""
        self._reading: asyncio.Task[None] | None = None
        self._next_look = 0.0

    def open(self) -> None:
        self._session = open_session()

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._session.close()

    async def keep(self) -> None:
        """Follow what is published for ever, while requests go on with what is known."""
        while True:
            await asyncio.wait({self._read()})
            await asyncio.sleep(self._pause)

    async def named(self, kid: str) -> RSAPublicKey | None:
        """The key, if Clerk has one of that name; raises Unavailable as long as none is known."""
        if kid not in self._keys:
            await self._look_again()
        if not self._keys:
            raise Unavailable("Clerk's keys")
        return self._keys.get(kid)

    async def _look_again(self) -> None:
        now = time.monotonic()
        # However many kids are made up, Clerk is asked once in a while.
        if now >= self._next_look:
            self._next_look = now + AGAIN_SECONDS
            self._read()
        if self._reading is not None:
            await asyncio.wait({self._reading})

    @property
    def _pause(self) -> float:
        if self._trouble:
            return AGAIN_SECONDS if self._keys else AGAIN_SECONDS_WITHOUT_ANY
        return EVERY_SECONDS

    def _read(self) -> asyncio.Task[None]:
        """The one read that is under way, whoever waits for it."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._take())
        return self._reading

    async def _take(self) -> None:
        try:
            page = await fetch(self._session, self._url, seconds=SECONDS, most_bytes=MOST_BYTES)
            keys = keys_of(page)
        except Exception as error:  # whatever it is, it may be over the next time
            if repr(error) != self._trouble:  # once: an outage must not fill the log
                self._trouble = repr(error)
                log.warning("clerk_keys_not_read", reason=self._trouble)
            return
        if keys.keys() != self._keys.keys():
            log.info("clerk_keys_changed", kids=sorted(keys))
        self._keys, self._trouble = keys, ""


class _Page(Struct):
    keys: list[msgspec.Raw]


class _Key(Struct):
    kty: str
    kid: str
    n: str
    e: str
    use: str = "sig"
    alg: str = "RS256"


_page = msgspec.json.Decoder(_Page)
_key = msgspec.json.Decoder(_Key)


def keys_of(page: bytes) -> dict[str, RSAPublicKey]:
    """The keys of a JWKS that check RS256, by kid; raises ValueError for what is no JWKS."""
    keys = {}
    for entry in _page.decode(page).keys:
        try:
            jwk = _key.decode(entry)
            if (jwk.kty, jwk.use, jwk.alg) == ("RSA", "sig", "RS256"):
                keys[jwk.kid] = _public(jwk)
        except ValueError as error:
            # The others count all the same.
            log.warning("clerk_key_skipped", reason=str(error))
    return keys


def _public(jwk: _Key) -> RSAPublicKey:
    n = _number(jwk.n)
    if not LEAST_RSA_BITS <= n.bit_length() <= MOST_BITS:
        raise ValueError(f"{n.bit_length()} bits")
    return RSAPublicNumbers(e=_number(jwk.e), n=n).public_key()


def _number(text: str) -> int:
    return int.from_bytes(urlsafe_b64decode(text + "=="))
