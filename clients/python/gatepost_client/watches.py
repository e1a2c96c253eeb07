"""Sockets that stay open for as long as the token that opened them counts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from gatepost_client.caller import Caller
from gatepost_client.refusals import Refused


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
