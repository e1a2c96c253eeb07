"""A WebSocket that ends with the token it was opened with."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from gatepost_client.asgi import App, Message, Receive, Scope, Send
from gatepost_client.refusals import Refused
from gatepost_client.watches import Watch

# For the application to notice that its socket is gone.
GRACE_SECONDS = 5.0


class SocketEnded(OSError):
    """What the ASGI specification wants a `send` after the end to raise."""


class GuardedSocket:
    """`protocol` is named in the handshake's answer when the application chooses none."""

    def __init__(self, watch: Watch, receive: Receive, send: Send, protocol: str | None) -> None:
        self._ended = watch.ended
        self._receive = receive
        self._send = send
        self._protocol = protocol
        self._receiving: asyncio.Task[Message] | None = None
        self._closed = False

    async def run(self, app: App, scope: Scope) -> None:
        """Let the application talk until it or the token ends."""
        talking = asyncio.ensure_future(_run(app, scope, self.receive, self.send))
        try:
            await _first_of(talking, self._ended)
            if not talking.done():
                await self._close(self._ended.result())
                await asyncio.wait({talking}, timeout=GRACE_SECONDS)
        finally:
            await _cancel(talking, self._receiving)
        if not talking.cancelled():
            talking.result()

    async def receive(self) -> Message:
        if self._receiving is None:
            self._receiving = asyncio.ensure_future(_next(self._receive))
        receiving = self._receiving
        await _first_of(receiving, self._ended)
        if self._over:
            return {"type": "websocket.disconnect", "code": self._code, "reason": ""}
        self._receiving = None
        return receiving.result()

    async def send(self, message: Message) -> None:
        if self._over:
            raise SocketEnded("this socket has ended")
        if message["type"] == "websocket.accept" and not message.get("subprotocol"):
            # Browsers drop a connection whose answer names none of the protocols they offered.
            message = {**message, "subprotocol": self._protocol}
        elif message["type"] == "websocket.close":
            self._closed = True
            # Granian holds a close back for as long as somebody waits to receive.
            await _cancel(self._receiving)
        await self._send(message)

    @property
    def _over(self) -> bool:
        return self._closed or self._ended.done()

    @property
    def _code(self) -> int:
        return self._ended.result().close_code if self._ended.done() else 1000

    async def _close(self, refusal: Refused) -> None:
        """Before the handshake's answer, the same message refuses it."""
        await _cancel(self._receiving)
        close = {"type": "websocket.close", "code": refusal.close_code, "reason": refusal.title}
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(GRACE_SECONDS):
                await self._send(close)


async def _cancel(*tasks: asyncio.Future[Any] | None) -> None:
    left = [task for task in tasks if task is not None and not task.done()]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


async def _run(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)


async def _first_of(*futures: asyncio.Future[Any]) -> None:
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


async def _next(receive: Receive) -> Message:
    return await receive()
