"""The ASGI middleware: nothing behind it is reached without a token that counts."""

from __future__ import annotations

from collections.abc import Collection

from gatepost_client import answers, credentials
from gatepost_client.asgi import App, Receive, Scope, Send
from gatepost_client.caller import KEY
from gatepost_client.gatepost import Gatepost
from gatepost_client.refusals import Refused, TokenMissing, TokenRejected
from gatepost_client.sockets import GuardedSocket


class GatepostMiddleware:
    """Wraps an ASGI application, and runs `gatepost` for as long as that lives.

    `exempt` are paths, spelled exactly, that need no token and are told no caller. With
    `required=False` a request without a token passes too; a bad token never does.
    """

    def __init__(
        self,
        app: App,
        gatepost: Gatepost,
        *,
        required: bool = True,
        exempt: Collection[str] = (),
    ) -> None:
        self._app = app
        self._gatepost = gatepost
        self._required = required
        self._exempt = frozenset(exempt)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            async with self._gatepost:
                await self._app(scope, receive, send)
        elif scope["type"] not in ("http", "websocket"):
            raise RuntimeError(f"nobody has thought of guarding {scope['type']!r}")
        elif scope["path"] in self._exempt:
            await self._app({**scope, KEY: None}, receive, send)
        elif scope["type"] == "http":
            await self._request(scope, receive, send)
        else:
            await self._socket(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            token = self._demanded(credentials.bearer_token(scope))
            caller = None if token is None else await self._gatepost.check(token)
        except Refused as refusal:
            await answers.refuse_request(send, refusal)
        else:
            await self._app({**scope, KEY: caller}, receive, send)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            by_header, by_protocol = _socket_tokens(scope)
            token = self._demanded(by_header or by_protocol)
            caller = None if token is None else await self._gatepost.check(token)
        except Refused as refusal:
            await answers.refuse_handshake(scope, receive, send, refusal)
            return
        protocol = None
        if by_protocol is not None:
            scope, protocol = credentials.without_token(scope), credentials.PROTOCOL
        scope = {**scope, KEY: caller}
        if token is None or caller is None:
            await self._app(scope, receive, send)
            return
        with self._gatepost.watching(token, caller) as watch:
            await GuardedSocket(watch, receive, send, protocol).run(self._app, scope)

    def _demanded(self, token: str | None) -> str | None:
        if token is None and self._required:
            raise TokenMissing
        return token


def _socket_tokens(scope: Scope) -> tuple[str | None, str | None]:
    by_header = credentials.bearer_token(scope)
    by_protocol = credentials.protocol_token(scope)
    if by_header is not None and by_protocol is not None:
        raise TokenRejected
    return by_header, by_protocol
