"""Sockets that stay open for as long as the token that opened them counts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gatepost_client.caller import Caller
from gatepost_client.refusals import Refused, Unavailable

WATCH_SECONDS = 0.2

log = logging.getLogger("gatepost_client")


@dataclass(eq=False, slots=True)
class Watch:
    """`ended` gets the refusal that the token would be answered with by now."""

    token: str
    caller: Caller
    generation: int
    ended: asyncio.Future[Refused]

    def end(self, refusal: Refused) -> None:
        if not self.ended.done():
            self.ended.set_result(refusal)


class Watches:
    """`check` judges a token as for a request, `surely_good` without looking at it.

    `generation` rises when keys change: then each token is looked at again.
    """

    def __init__(
        self,
        check: Callable[[str], Awaitable[Caller]],
        surely_good: Callable[[Caller], bool],
        generation: Callable[[], int],
    ) -> None:
        self._check = check
        self._surely_good = surely_good
        self._generation = generation
        self._open: set[Watch] = set()

    @contextmanager
    def watching(self, token: str, caller: Caller) -> Iterator[Watch]:
        ended: asyncio.Future[Refused] = asyncio.get_running_loop().create_future()
        watch = Watch(token, caller, self._generation(), ended)
        self._open.add(watch)
        try:
            yield watch
        finally:
            self._open.discard(watch)

    async def keep(self) -> None:
        """Look at all of them again and again; ends never."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            await asyncio.gather(*map(self._look_at, self.doubtful()))

    def doubtful(self) -> list[Watch]:
        """Those whose token must be looked at."""
        generation = self._generation()
        return [
            watch
            for watch in self._open
            if watch.generation != generation or not self._surely_good(watch.caller)
        ]

    async def _look_at(self, watch: Watch) -> None:
        generation = self._generation()
        try:
            await self._check(watch.token)
            watch.generation = generation
        except Refused as refusal:
            watch.end(refusal)
        except Exception:
            # A fault of ours must not leave every socket open for ever.
            log.exception("a socket could not be judged")
            watch.end(Unavailable())

    def __len__(self) -> int:
        return len(self._open)
