"""Fetching from somebody else's server: bounded in time and size, and from nowhere else."""

from __future__ import annotations

import asyncio

import aiohttp

# An answer that was packed could unpack to any size.
HEADERS = {"Accept-Encoding": "identity", "User-Agent": "Gatepost"}


class UnexpectedAnswer(Exception):
    """The server answered with something else than what was asked for."""


# Whatever `fetch` raises.
FETCH_ERRORS = (aiohttp.ClientError, OSError, TimeoutError, UnexpectedAnswer)


def open_session(**headers: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        headers=HEADERS | headers, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
    )


async def fetch(
    session: aiohttp.ClientSession, url: str, *, seconds: float, most_bytes: int
) -> bytes:
    """The body of a 200; anything else raises one of FETCH_ERRORS."""
    async with (
        asyncio.timeout(seconds),
        # A redirect would let the server choose whom we ask.
        session.get(url, allow_redirects=False) as answer,
    ):
        if answer.status != 200:
            raise UnexpectedAnswer(f"status {answer.status}")
        body = bytearray()
        async for part in answer.content.iter_any():
            body += part
            if len(body) > most_bytes:
                raise UnexpectedAnswer("too long")
    return bytes(body)
