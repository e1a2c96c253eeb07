"""What a token is worth at this moment."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AbstractContextManager
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Literal, Self

from gatepost_client.caller import Caller
from gatepost_client.introspection import Introspection, Introspector
from gatepost_client.keys import KeySet
from gatepost_client.refusals import TokenRejected, Unavailable, UnknownKey
from gatepost_client.remembered import Remembered, Seen
from gatepost_client.revocations import Revocations
from gatepost_client.tokens import LONGEST_TOKEN, TokenRules
from gatepost_client.watches import Watch, Watches
from gatepost_client.wire import Silent, Wire, checked

if TYPE_CHECKING:
    # Needs an extra that is not installed everywhere.
    from gatepost_client.kafka import Kafka

READY_SECONDS = 5.0

log = logging.getLogger("gatepost_client")


class Gatepost:
    """Checks access tokens between `start` and `stop`, or inside `async with`.

    With `kafka` it follows what ends sessions; with `introspection` it asks the service, where
    both are given only while Kafka is silent. `when_unknown` decides what becomes of a token whose
    signature and expiry are good while neither answers. `base_url` is where the service is reached
    if not at its issuer; plain http to another host must be allowed by `allow_http`.
    """

    def __init__(
        self,
        issuer: str,
        *,
        audience: str = "gatepost",
        kafka: Kafka | None = None,
        introspection: Introspection | None = None,
        when_unknown: Literal["refuse", "trust"] = "refuse",
        longest_token: timedelta = timedelta(hours=24),
        base_url: str | None = None,
        allow_http: bool = False,
    ) -> None:
        if when_unknown not in ("refuse", "trust"):
            raise ValueError("when_unknown is 'refuse' or 'trust'")
        if kafka is None and introspection is None and when_unknown == "refuse":
            raise ValueError("give kafka or introspection: without them every token is refused")
        self._wire = Wire(checked(base_url or issuer, allow_http=allow_http))
        longest = longest_token.total_seconds()
        self._rules = TokenRules(issuer, audience, longest)
        self._keys = KeySet(self._wire)
        self._remembered = Remembered()
        self._revocations = Revocations(longest)
        self._follower = kafka.follower(self._revocations, longest) if kafka else None
        self._introspector = (
            Introspector(introspection, self._wire, issuer, audience) if introspection else None
        )
        self._trusts = when_unknown == "trust"
        self._watches = Watches(self.check, self._surely_good, lambda: self._keys.generation)
        self._tasks: list[asyncio.Task[None]] = []
        self._starts = 0

    # -- its life ----------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Begin to follow keys and revocations, and wait a few seconds until they are known.

        If they are not by then, it goes on looking, and tokens are refused meanwhile.
        """
        self._starts += 1
        if self._starts > 1:
            return
        await self._wire.open()
        if self._follower is not None:
            self._follower.start()
        self._tasks = [
            asyncio.create_task(self._keys.keep_current()),
            asyncio.create_task(self._watches.keep()),
        ]
        try:
            await asyncio.wait_for(self._get_ready(), READY_SECONDS)
        except TimeoutError:
            log.warning("started without knowing keys or revocations yet")
        except BaseException:
            await self.stop()
            raise

    async def _get_ready(self) -> None:
        while not self.ready:  # noqa: ASYNC110 - a thread gets it ready
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        self._starts -= 1
        if self._starts:
            return
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._follower is not None:
            await asyncio.to_thread(self._follower.stop)
        await self._wire.close()

    @property
    def ready(self) -> bool:
        """Whether keys have been fetched and, with Kafka, revocations are known up to now."""
        return self._keys.fetched and (self._follower is None or self._follower.fresh)

    # -- one token ---------------------------------------------------------------------------------

    async def check(self, token: str) -> Caller:
        """Who the token speaks for; raises TokenRejected and Unavailable."""
        if self._starts < 1:
            raise RuntimeError("Gatepost is not running: use the middleware's lifespan or start()")
        if len(token) > LONGEST_TOKEN or not token.isascii():
            raise TokenRejected
        digest = sha256(token.encode()).digest()
        seen = self._remembered.get(digest, self._keys.generation)
        if seen is None:
            seen = await self._read(token, digest)
        if seen.caller.expires_at <= time.time():
            self._remembered.drop(digest)
            raise TokenRejected
        if self._revocations.cover(seen.caller):
            raise TokenRejected
        if not (seen.signed and self._all_known):
            await self._require_active(token, digest, seen)
        return seen.caller

    @property
    def _all_known(self) -> bool:
        """Whether no token's end can have escaped us."""
        return self._follower is not None and self._follower.fresh and self._keys.current

    async def _read(self, token: str, digest: bytes) -> Seen:
        """Its claims, and remembered if its signature is right."""
        if not self._keys.verifying:
            return self._read_unsigned(token)
        try:
            caller = self._rules.read(token, self._keys.verifying)
        except UnknownKey:
            if not await self._keys.look_again():
                # It may be signed with a key that the service cannot tell us of.
                raise Unavailable from None
            caller = self._rules.read(token, self._keys.verifying)
        seen = Seen(caller, signed=True)
        self._remembered.put(digest, seen)
        return seen

    def _read_unsigned(self, token: str) -> Seen:
        """For as long as no keys are known, or where the service signs with a secret."""
        if self._introspector is None:
            if self._keys.fetched:
                log.error("the service publishes no keys: tokens need introspection")
            raise Unavailable
        return Seen(self._rules.read_unsigned(token), signed=False)

    async def _require_active(self, token: str, digest: bytes, seen: Seen) -> None:
        try:
            if self._introspector is None:
                raise Silent("nobody to ask")
            active = await self._introspector.active(token, digest, seen.caller)
        except Silent:
            # Never a signature that nobody has checked, nor a key that may be withdrawn by now.
            if seen.signed and self._trusts and self._keys.current:
                return
            raise Unavailable from None
        if not active:
            raise TokenRejected
        if not seen.signed:
            self._remembered.put(digest, seen)

    # -- open sockets ------------------------------------------------------------------------------

    def watching(self, token: str, caller: Caller) -> AbstractContextManager[Watch]:
        """Inside, its watch ends within a second of the token's end."""
        return self._watches.watching(token, caller)

    def _surely_good(self, caller: Caller) -> bool:
        """Told without another look at the token, which thousands of sockets could not afford."""
        return (
            caller.expires_at > time.time()
            and not self._revocations.cover(caller)
            and self._all_known
        )
