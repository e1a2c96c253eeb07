"""Tokens that were read before, because an ES256 check costs more than all else."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from gatepost_client.caller import Caller

MOST = 20_000


@dataclass(frozen=True, slots=True)
class Seen:
    """`signed` says that a key of the service vouches for it, and not `/introspect` alone."""

    caller: Caller
    signed: bool


class Remembered:
    """Tokens by the SHA-256 of their text, as of one generation of keys."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, Seen] = OrderedDict()
        self._generation = 0

    def get(self, digest: bytes, generation: int) -> Seen | None:
        """What was read of it; nothing that keys of another generation have vouched for."""
        if generation != self._generation:
            self._seen.clear()
            self._generation = generation
        return self._seen.get(digest)

    def put(self, digest: bytes, seen: Seen) -> None:
        self._seen[digest] = seen
        if len(self._seen) > MOST:
            self._seen.popitem(last=False)

    def drop(self, digest: bytes) -> None:
        self._seen.pop(digest, None)

    def __len__(self) -> int:
        return len(self._seen)
