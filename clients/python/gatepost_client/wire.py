"""HTTP to the service: bounded in time and size, never redirected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

ANSWER_SECONDS = 2.0
LONGEST_ANSWER = 256 * 1024
MOST_CONNECTIONS = 32
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# An answer is counted as it comes: a small compressed one could unpack to gigabytes.
PLAIN = {"accept-encoding": "identity"}


class Silent(Exception):
    """The service gave no answer that counts; says why, for the log."""


@dataclass(frozen=True, slots=True)
class Answer:
    body: bytes
    headers: Mapping[str, str]


class Wire:
    """`base_url` is where the service answers, without a slash at its end."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=MOST_CONNECTIONS),
            timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers=PLAIN,
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str) -> Answer:
        """What a GET is answered with 200; raises Silent."""
        return await self._answer("GET", path, {}, {})

    async def post(self, path: str, form: dict[str, str], headers: dict[str, str]) -> Answer:
        """What a posted form is answered with 200; raises Silent."""
        return await self._answer("POST", path, form, headers)

    async def _answer(
        self, method: str, path: str, form: dict[str, str], headers: dict[str, str]
    ) -> Answer:
        if self._session is None:
            raise Silent("not opened")
        try:
            async with self._session.request(
                method,
                self._base_url + path,
                data=form or None,
                headers=headers,
                allow_redirects=False,
            ) as answer:
                if answer.status != 200:
                    raise Silent(f"{path} answered {answer.status}")
                return Answer(await _bounded(answer.content), answer.headers)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Silent(f"{path}: {type(error).__name__}") from None


def checked(url: str, *, allow_http: bool) -> str:
    """The address without a slash at its end; raises ValueError where keys could be anybody's."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{url!r} is no http(s) address")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK and not allow_http:
        raise ValueError(f"{url!r}: keys that come over http may be anybody's (allow_http=True)")
    return url.rstrip("/")


async def _bounded(stream: aiohttp.StreamReader) -> bytes:
    body = b""
    async for piece in stream.iter_any():
        body += piece
        if len(body) > LONGEST_ANSWER:
            raise Silent("the answer is too long")
    return body
