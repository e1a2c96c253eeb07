"""A WebSocket service whose sockets close when their session ends."""

from typing import Any

from litestar import Litestar, WebSocket, websocket

from gatepost_client import GatepostMiddleware, caller_of
from gatepost_client.environment import from_environment


@websocket("/live")
async def live(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    await socket.send_json({"user_id": str(caller_of(socket.scope).user_id)})
    async for text in socket.iter_data("text"):
        await socket.send_text(text)


app = GatepostMiddleware(Litestar([live]), from_environment())
