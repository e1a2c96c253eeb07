"""What a client says of tokens."""

from __future__ import annotations

import asyncio
import time

from gatepost_client import Gatepost, TokenRejected, Unavailable


async def verdict(gatepost: Gatepost, token: str) -> str:
    """accepted, rejected or unavailable."""
    try:
        await gatepost.check(token)
    except TokenRejected:
        return "rejected"
    except Unavailable:
        return "unavailable"
    return "accepted"


async def becomes(
    wanted: str, gatepost: Gatepost, token: str, within: float = 5.0, pause: float = 0.01
) -> float:
    """The seconds until the verdict is the wanted one."""
    began = time.monotonic()
    while (said := await verdict(gatepost, token)) != wanted:
        assert time.monotonic() - began < within, f"still {said} after {within} s"
        await asyncio.sleep(pause)
    return time.monotonic() - began
