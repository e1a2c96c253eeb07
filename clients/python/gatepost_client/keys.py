"""The service's public keys: fetched, kept for as long as it says, and fetched again."""

from __future__ import annotations

import asyncio
import logging
import re
from time import monotonic

from gatepost_client.jwks import NotAKeySet, keys_in
from gatepost_client.tokens import Keys
from gatepost_client.wire import Answer, Silent, Wire

PATH = "/.well-known/jwks.json"
# How often a kid that nobody knows may cost the service a request.
UNKNOWN_KID_SECONDS = 10.0
USUAL_SECONDS, LEAST_SECONDS, MOST_SECONDS = 300.0, 10.0, 3600.0
FIRST_RETRY_SECONDS, RETRY_SECONDS = 1.0, 10.0
# Whoever withdraws a stolen key is heard for so long after our last look, or nothing is known.
KNOWN_SECONDS = 3600.0

log = logging.getLogger("gatepost_client")


class KeySet:
    """`verifying` is replaced as a whole, and `generation` rises, whenever keys change."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.verifying: Keys = {}
        self.generation = 0
        self._fetched_at: float | None = None
        self._failing = False
        self._next_in = USUAL_SECONDS
        self._fetching: asyncio.Task[None] | None = None
        self._may_look_at = 0.0

    @property
    def fetched(self) -> bool:
        """Whether the service has ever told its keys; it has none when it signs with a secret."""
        return self._fetched_at is not None

    @property
    def current(self) -> bool:
        """Whether they were read lately enough to know of a key that was withdrawn."""
        return self._fetched_at is not None and monotonic() - self._fetched_at < KNOWN_SECONDS

    async def keep_current(self) -> None:
        """Fetch again whenever what was fetched has had its time; ends never."""
        while True:
            await self._fetch_once()
            retry = RETRY_SECONDS if self.fetched else FIRST_RETRY_SECONDS
            await asyncio.sleep(retry if self._failing else self._next_in)

    async def look_again(self) -> bool:
        """Fetch for an unknown kid, at most once in 10 s; whether the keys are to be relied on.

        Strangers choose what kid they name, and all that they cost the service is this one request.
        """
        if monotonic() >= self._may_look_at:
            self._may_look_at = monotonic() + UNKNOWN_KID_SECONDS
            await self._fetch_once()
        elif self._fetching is not None:
            await asyncio.shield(self._fetching)
        return self.fetched and not self._failing

    async def _fetch_once(self) -> None:
        """A request that gives up leaves the fetch to the others that wait for it."""
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(self._fetch_ended)
        await asyncio.shield(self._fetching)

    def _fetch_ended(self, _: asyncio.Task[None]) -> None:
        self._fetching = None

    async def _fetch(self) -> None:
        asked_at = monotonic()
        try:
            answer = await self._wire.get(PATH)
            keys = keys_in(answer.body)
        except (Silent, NotAKeySet) as error:
            if not self._failing:
                log.warning("keys could not be fetched: %s", error)
            self._failing = True
            return
        self._failing = False
        self._fetched_at = asked_at
        self._next_in = _max_age(answer)
        if keys != self.verifying:
            self.verifying = keys
            self.generation += 1


def _max_age(answer: Answer) -> float:
    told = re.search(r"max-age=(\d{1,9})", answer.headers.get("cache-control", ""))
    seconds = float(told[1]) if told else USUAL_SECONDS
    return min(max(seconds, LEAST_SECONDS), MOST_SECONDS)
