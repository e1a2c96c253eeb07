"""Faults on demand: what SendGrid and the network between do on a bad day."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection
from typing import Annotated, Literal

from msgspec import Meta, Struct, structs


class Fault(Struct, kw_only=True, forbid_unknown_fields=True):
    """What happens to the next `times` requests (None: until removed), with `probability` each.

    `delay_ms` waits first; then `hang` never answers, `close` drops the connection before or after
    the mail was accepted, or `status` is answered. A 429 says that it ends in `reset_in` seconds.
    `to` limits the fault to one recipient.
    """

    status: Annotated[int, Meta(ge=400, le=599)] | None = None
    delay_ms: Annotated[int, Meta(ge=0)] = 0
    hang: bool = False
    close: Literal["before", "after_accept"] | None = None
    times: Annotated[int, Meta(ge=1)] | None = None
    to: str | None = None
    probability: Annotated[float, Meta(ge=0, le=1)] = 1.0
    reset_in: Annotated[int, Meta(ge=0)] = 60


class Faults:
    """The faults in force; of those that match a request the oldest one strikes."""

    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}
        self._lifted = asyncio.Event()
        self._last_id = 0

    def add(self, fault: Fault) -> str:
        """Put a fault in force and return its id."""
        self._last_id += 1
        fault_id = str(self._last_id)
        self._faults[fault_id] = structs.replace(fault)
        return fault_id

    def remove(self, fault_id: str) -> bool:
        """End a fault and let go of what hangs; False when it is not in force."""
        known = self._faults.pop(fault_id, None) is not None
        self._let_go()
        return known

    def clear(self) -> None:
        self._faults.clear()
        self._let_go()

    def in_force(self) -> dict[str, Fault]:
        return dict(self._faults)

    def strike(self, addresses: Collection[str]) -> Fault | None:
        """The fault that a request to these recipients meets, counted against its `times`."""
        for fault_id, fault in self._faults.items():
            if fault.to is not None and fault.to.lower() not in addresses:
                continue
            if fault.probability < 1 and random.random() >= fault.probability:
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times == 0:
                    del self._faults[fault_id]
            return fault
        return None

    async def until_lifted(self) -> None:
        """Hang until some fault is removed."""
        await self._lifted.wait()

    def _let_go(self) -> None:
        self._lifted.set()
        self._lifted = asyncio.Event()
