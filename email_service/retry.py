"""The turnstile that all mails pass on their way to the provider."""

from __future__ import annotations

import asyncio

from shared.backoff import doubled

# A key that was mended should be noticed within seconds.
LONGEST_PROBE_SECONDS = 5.0


class Turn:
    """What a send holds while it is on its way."""

    def __init__(self, *held: asyncio.Semaphore) -> None:
        self._held = held

    def release(self) -> None:
        for semaphore in self._held:
            semaphore.release()


class Turnstile:
    """Lets at most `concurrency` sends through at a time.

    It stays shut while the provider asked for a pause. While it refuses our key, one send at a
    time passes as a probe, and all others wait for its outcome.
    """

    def __init__(self, concurrency: int) -> None:
        self._turns = asyncio.Semaphore(concurrency)
        self._probes = asyncio.Semaphore(1)
        self._patient = asyncio.Semaphore(max(1, concurrency // 2))
        self._shut_until = 0.0
        self._refusals = 0

    @property
    def key_refused(self) -> bool:
        return self._refusals > 0

    async def enter(self, *, patient: bool = False) -> Turn:
        """Wait for a turn, and return what is to be released after the send.

        The patient queue up elsewhere first and get half of the turns, so that however many there
        are, whoever has no time finds hardly anybody before him.
        """
        if not patient:
            return Turn(await self._enter())
        await self._patient.acquire()
        try:
            return Turn(await self._enter(), self._patient)
        except BaseException:
            self._patient.release()
            raise

    async def _enter(self) -> asyncio.Semaphore:
        while True:
            turns = self._probes if self.key_refused else self._turns
            await turns.acquire()
            # While we queued, the provider may have asked for a pause or refused the key.
            shut = self._shut_until - _now()
            if shut <= 0 and turns is (self._probes if self.key_refused else self._turns):
                return turns
            turns.release()
            await asyncio.sleep(max(0.0, shut))

    def pause(self, seconds: float) -> None:
        self._shut_until = max(self._shut_until, _now() + seconds)

    def key_was_refused(self) -> None:
        # Those that were on their way with the same key tell nothing new.
        if self._shut_until > _now():
            self._refusals = max(1, self._refusals)
            return
        self.pause(doubled(self._refusals, LONGEST_PROBE_SECONDS))
        self._refusals += 1

    def key_was_accepted(self) -> None:
        self._refusals = 0


def _now() -> float:
    return asyncio.get_running_loop().time()
