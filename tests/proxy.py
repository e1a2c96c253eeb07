"""A TCP proxy before a part, with which a test breaks the wire instead of the part.

    with Proxy.before(redis.port) as proxy:
        proxy.port          # what clients connect to
        proxy.url(url)      # where a URL of the part leads through it
        proxy.refuse()      # connections are reset, and new ones refused
        proxy.blackhole()   # connections open and stay open, and nothing comes through
        proxy.reset()       # connections are reset once; new ones are let through
        proxy.delay(0.5)    # everything arrives half a second late
        proxy.throttle(1e4) # a connection carries 10 kB a second
        proxy.connections   # how many clients are connected
        proxy.round_trips   # how many times somebody asked and waited, so far
        proxy.let_pass()    # as before; what a black hole has swallowed arrives after all

It runs on a loop of its own in a thread; every call may come from any thread and has taken effect
when it returns.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from dev_stack.ports import free_port

HOST = "127.0.0.1"
CHUNK = 64 * 1024
UNBOUNDED = float("inf")
# On close: no lingering, so that the other side is told by a reset and not by an orderly end.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Piece(NamedTuple):
    """What was read at once; `due` by the loop's clock. An empty one is the end."""

    content: bytes
    due: float


@dataclass
class Wire:
    """One connection; `asked` as long as its last piece came from the client."""

    asked: bool = False


class Proxy:
    """Forwards `port` to `target`, both on loopback."""

    def __init__(self, target: int, port: int) -> None:
        self.port = port
        self.round_trips = 0
        self._target = target
        self._seconds = 0.0
        self._bytes_per_second = UNBOUNDED
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._open = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    @contextmanager
    def before(cls, target: int, port: int | None = None) -> Iterator[Proxy]:
        """Open it on `port`, or on a free one; drop what is connected at the end."""
        proxy = cls(target, port or free_port())
        proxy._thread.start()
        try:
            proxy.let_pass()
            yield proxy
        finally:
            proxy._run(proxy._close())
            proxy._loop.call_soon_threadsafe(proxy._loop.stop)
            proxy._thread.join()
            proxy._loop.close()

    @property
    def connections(self) -> int:
        """How many clients are connected through it."""
        return len(self._writers) // 2

    def url(self, target: str) -> str:
        """The URL of what it stands before, as it is reached through it."""
        parts = urlsplit(target)
        account, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{account}{at}{HOST}:{self.port}"))

    def let_pass(self) -> None:
        self._run(self._set(seconds=0.0, flowing=True))

    def refuse(self) -> None:
        self._run(self._stop_listening())

    def blackhole(self) -> None:
        self._run(self._set(seconds=0.0, flowing=False))

    def reset(self) -> None:
        self._run(self._reset())

    def delay(self, seconds: float) -> None:
        """Hold back every piece, in both directions, for `seconds`."""
        self._run(self._set(seconds=seconds, flowing=True))

    def throttle(self, bytes_per_second: float) -> None:
        """Let so much through each connection, in each direction."""
        self._run(self._set(seconds=0.0, flowing=True, bytes_per_second=bytes_per_second))

    def _run(self, step: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(step, self._loop).result(10)

    # -- on the proxy's own loop -------------------------------------------------------------------

    async def _set(
        self, *, seconds: float, flowing: bool, bytes_per_second: float = UNBOUNDED
    ) -> None:
        self._seconds = seconds
        self._bytes_per_second = bytes_per_second
        if flowing:
            self._open.set()
        else:
            self._open.clear()
        if self._server is None:
            self._server = await asyncio.start_server(self._connected, HOST, self.port)

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._reset()

    async def _reset(self) -> None:
        for writer in tuple(self._writers):
            _abort(writer)

    async def _close(self) -> None:
        await self._stop_listening()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(
        self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        if task := asyncio.current_task():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            self._writers.add(to_client)
            if self._server is None:
                return  # accepted just before nobody was any more
            await self._open.wait()
            from_target, to_target = await asyncio.open_connection(HOST, self._target)
            self._writers.add(to_target)
            wire = Wire()
            try:
                await asyncio.gather(
                    self._pump(from_client, to_target, wire, asks=True),
                    self._pump(from_target, to_client, wire, asks=False),
                )
            finally:
                _abort(to_target)
                self._writers.discard(to_target)
        except (OSError, asyncio.CancelledError):
            pass  # whichever side has gone, the other is told by `finally`
        finally:
            _abort(to_client)
            self._writers.discard(to_client)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, wire: Wire, *, asks: bool
    ) -> None:
        # Read on while earlier pieces are under way: a long wire is late, not narrow.
        under_way: asyncio.Queue[Piece] = asyncio.Queue()
        await asyncio.gather(
            self._depart(source, under_way, wire, asks=asks), self._arrive(under_way, sink)
        )

    async def _depart(
        self, source: asyncio.StreamReader, to: asyncio.Queue[Piece], wire: Wire, *, asks: bool
    ) -> None:
        try:
            while content := await source.read(CHUNK):
                self.round_trips += asks and not wire.asked
                wire.asked = asks
                await asyncio.sleep(len(content) / self._bytes_per_second)
                to.put_nowait(Piece(content, self._loop.time() + self._seconds))
        finally:
            to.put_nowait(Piece(b"", self._loop.time() + self._seconds))

    async def _arrive(self, under_way: asyncio.Queue[Piece], sink: asyncio.StreamWriter) -> None:
        while (piece := await under_way.get()).content:
            if self._seconds:
                await asyncio.sleep(max(0.0, piece.due - self._loop.time()))
            await self._open.wait()
            sink.write(piece.content)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()


def _abort(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    writer.transport.abort()
