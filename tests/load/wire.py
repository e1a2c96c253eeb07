"""HTTP/1.1 as bytes: requests made before the load, answers read with the least work."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlencode

import msgspec

HEAD_END = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
RETRY_AFTER = re.compile(rb"\r\nretry-after: *(\d+)", re.IGNORECASE)


def wire(
    method: str,
    path: str,
    *,
    json: Any = None,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] = {},
) -> bytes:
    """A request with its body, ready to be sent."""
    body, kind = b"", ""
    if json is not None:
        body, kind = msgspec.json.encode(json), "application/json"
    elif form is not None:
        body, kind = urlencode(form).encode(), "application/x-www-form-urlencoded"
    fields = {"host": "127.0.0.1", **headers}
    if kind:
        fields |= {"content-type": kind, "content-length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


class Reply(msgspec.Struct, frozen=True):
    status: int
    retry_after: int | None
    body: bytes


class Lost(Exception):
    """The connection ended before the answer did."""


class Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self) -> None:
        self.usable = True
        self._transport: asyncio.Transport
        self._received = b""
        self._reply: asyncio.Future[Reply] | None = None

    def ask(self, request: bytes) -> asyncio.Future[Reply]:
        """The reply, or Lost."""
        self._reply = asyncio.get_running_loop().create_future()
        if self.usable:
            self._transport.write(request)
        else:
            self._reply.set_exception(Lost())
        return self._reply

    def close(self) -> None:
        self.usable = False
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_end = self._received.find(HEAD_END)
        if head_end < 0:
            return
        head = self._received[:head_end]
        length = LENGTH.search(head)
        begins = head_end + len(HEAD_END)
        ends = begins + (int(length[1]) if length else 0)
        if len(self._received) < ends or self._reply is None or self._reply.done():
            return
        after = RETRY_AFTER.search(head)
        body, self._received = self._received[begins:ends], self._received[ends:]
        self._reply.set_result(Reply(int(head[9:12]), int(after[1]) if after else None, body))

    def connection_lost(self, _: Exception | None) -> None:
        self.usable = False
        if self._reply and not self._reply.done():
            self._reply.set_exception(Lost())
