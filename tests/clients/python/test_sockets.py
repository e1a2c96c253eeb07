"""Sockets end with their token, whatever the application is doing, and tell nobody the token."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from gatepost_client import Gatepost, GatepostMiddleware, keys, sockets
from tests.clients.python.event_stream import EventStream
from tests.clients.python.stand_in_issuer import StandIn, saying
from tests.clients.python.test_following import said_by

pytestmark = pytest.mark.anyio
Message = dict[str, Any]
App = Callable[..., Awaitable[None]]


@dataclass
class Peer:
    """The server's side of one socket: what it delivers, and what it was told to send."""

    scope: Message
    incoming: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    sent: list[Message] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def with_header(cls, token: str) -> Peer:
        return cls.of([(b"authorization", f"Bearer {token}".encode())])

    @classmethod
    def with_protocols(cls, *protocols: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Peer:
        offered = (b"sec-websocket-protocol", ", ".join(protocols).encode("utf-8", "replace"))
        peer = cls.of([*headers, offered])
        peer.scope["subprotocols"] = list(protocols)
        return peer

    @classmethod
    def of(cls, headers: list[tuple[bytes, bytes]]) -> Peer:
        peer = cls({"type": "websocket", "path": "/", "headers": headers, "subprotocols": []})
        peer.incoming.put_nowait({"type": "websocket.connect"})
        return peer

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        self.changed.set()

    async def until(self, kind: str, within: float = 5.0) -> Message:
        async with asyncio.timeout(within):
            while not (found := [m for m in self.sent if m["type"] == kind]):
                self.changed.clear()
                await self.changed.wait()
        return found[-1]

    @asynccontextmanager
    async def talking_to(self, app: App, gatepost: Gatepost, **more: Any) -> AsyncIterator[None]:
        guarded: Any = GatepostMiddleware(app, gatepost, **more)
        serving = asyncio.create_task(guarded(self.scope, self.incoming.get, self.send))
        try:
            yield
        finally:
            self.incoming.put_nowait({"type": "websocket.disconnect", "code": 1005})
            await asyncio.wait_for(serving, 2)


async def echoes(scope: Message, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def only_talks(scope: Message, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        await send({"type": "websocket.send", "text": "tick"})
        await asyncio.sleep(0.01)


async def only_waits(scope: Message, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    await asyncio.sleep(60)


async def chooses(scope: Message, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept", "subprotocol": scope["subprotocols"][0]})
    await receive()


async def swallow(app: App, *arguments: Any) -> None:
    # What frameworks make a disconnect of.
    with suppress(OSError):
        await app(*arguments)


async def talks(scope: Message, receive: Any, send: Any) -> None:
    await swallow(only_talks, scope, receive, send)


@pytest.mark.parametrize("app", [echoes, talks, only_waits], ids=lambda app: app.__name__)
async def test_a_socket_is_closed_when_its_session_ends(
    issuer: StandIn, stream: EventStream, monkeypatch: pytest.MonkeyPatch, app: App
) -> None:
    monkeypatch.setattr(sockets, "GRACE_SECONDS", 0.2)
    async with Gatepost(issuer.url, kafka=stream.kafka) as gatepost:
        token, other = issuer.token(), issuer.token()
        peer, neighbour = Peer.with_header(token), Peer.with_header(other)
        async with peer.talking_to(app, gatepost), neighbour.talking_to(echoes, gatepost):
            await peer.until("websocket.accept")
            stream.end_sessions(said_by(token)["sid"])
            assert (await peer.until("websocket.close"))["code"] == 4401
            said = len(peer.sent)
            peer.incoming.put_nowait({"type": "websocket.receive", "text": "still there?"})
            neighbour.incoming.put_nowait({"type": "websocket.receive", "text": "hello"})
            assert (await neighbour.until("websocket.send"))["text"] == "hello"
            await asyncio.sleep(0.05)
            assert len(peer.sent) == said
        assert len(gatepost._watches) == 0


async def test_a_socket_is_closed_when_its_token_expires(
    issuer: StandIn, stream: EventStream
) -> None:
    async with Gatepost(issuer.url, kafka=stream.kafka) as gatepost:
        expires = int(time.time()) + 2
        peer = Peer.with_header(issuer.token(exp=expires))
        async with peer.talking_to(echoes, gatepost):
            close = await peer.until("websocket.close")
            assert (close["code"], 0 <= time.time() - expires < 2) == (4401, True)


async def test_a_socket_is_closed_when_the_key_of_its_token_is_withdrawn(
    issuer: StandIn, stream: EventStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "LEAST_SECONDS", 0.1)
    issuer.max_age = 0
    async with Gatepost(issuer.url, kafka=stream.kafka) as gatepost:
        peer = Peer.with_header(issuer.token())
        async with peer.talking_to(echoes, gatepost):
            await peer.until("websocket.accept")
            del issuer.keys["k1"]
            issuer.add_key("k2")
            assert (await peer.until("websocket.close"))["code"] == 4401


async def test_a_socket_is_closed_with_try_again_when_nobody_knows_any_more(
    issuer: StandIn, stream: EventStream
) -> None:
    async with Gatepost(issuer.url, kafka=stream.kafka) as gatepost:
        peer = Peer.with_header(issuer.token())
        async with peer.talking_to(echoes, gatepost):
            await peer.until("websocket.accept")
            follower = gatepost._follower
            assert follower is not None
            await asyncio.to_thread(follower.stop)
            assert (await peer.until("websocket.close"))["code"] == 1013


async def test_a_browsers_token_among_the_protocols_is_good_and_never_shown(
    issuer: StandIn,
) -> None:
    seen: list[Message] = []

    async def looks(scope: Message, receive: Any, send: Any) -> None:
        seen.append(scope)
        await echoes(scope, receive, send)

    async with Gatepost(issuer.url, when_unknown="trust") as gatepost:
        token = issuer.token()
        plain = Peer.with_protocols("bearer", token)
        async with plain.talking_to(looks, gatepost):
            # Browsers drop a connection whose answer chooses none of theirs.
            assert (await plain.until("websocket.accept"))["subprotocol"] == "bearer"
        several = Peer.with_protocols("chat.v2", "bearer", token, "chat.v1")
        async with several.talking_to(chooses, gatepost):
            assert (await several.until("websocket.accept"))["subprotocol"] == "chat.v2"
        spoken = Peer.with_protocols("chat.v2", "bearer", token, "chat.v1")
        async with spoken.talking_to(looks, gatepost):
            await spoken.until("websocket.accept")
        assert [scope["subprotocols"] for scope in seen] == [[], ["chat.v2", "chat.v1"]]
        for scope in seen:
            assert str(scope["gatepost.caller"].user_id) == said_by(token)["sub"]
            assert token not in repr({**scope, "gatepost.caller": None})


REFUSED: dict[str, Callable[[str], Peer]] = {
    "nothing": lambda _: Peer.of([]),
    "a forged header": lambda t: Peer.with_header(t[:-5] + "AAAAA"),
    "a forged protocol": lambda t: Peer.with_protocols("bearer", t[:-5] + "AAAAA"),
    "a protocol without a token": lambda _: Peer.with_protocols("bearer"),
    "a token without a protocol": lambda t: Peer.with_protocols(t),
    "the token first": lambda t: Peer.with_protocols(t, "bearer"),
    "another case": lambda t: Peer.with_protocols("Bearer", t),
    "not ascii": lambda t: Peer.with_protocols("bearer", t[:-1] + "ü"),
    "both places": lambda t: Peer.with_protocols(
        "bearer", t, headers=((b"authorization", f"Bearer {t}".encode()),)
    ),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_a_handshake_without_one_good_token_is_refused(issuer: StandIn, what: str) -> None:
    async def never(*_: object) -> None:
        raise AssertionError("the application was reached")

    async with Gatepost(issuer.url, when_unknown="trust") as gatepost:
        peer = REFUSED[what](issuer.token())
        async with peer.talking_to(never, gatepost):
            assert (await peer.until("websocket.close"))["code"] == 4401
        modern = REFUSED[what](issuer.token())
        modern.scope["extensions"] = {"websocket.http.response": {}}
        async with modern.talking_to(never, gatepost):
            assert (await modern.until("websocket.http.response.start"))["status"] == 401


async def test_an_application_that_fails_or_leaves_is_what_it_was_without_us(
    issuer: StandIn,
) -> None:
    async def fails(*_: object) -> None:
        raise ZeroDivisionError

    async with Gatepost(issuer.url, when_unknown="trust") as gatepost:
        peer = Peer.with_header(issuer.token())
        with pytest.raises(ZeroDivisionError):
            async with peer.talking_to(fails, gatepost):
                pass
        for open_to_all in ({"required": False}, {"exempt": ["/"]}):
            anonymous = Peer.of([])
            async with anonymous.talking_to(echoes, gatepost, **open_to_all):
                await anonymous.until("websocket.accept")
        assert len(gatepost._watches) == 0


async def test_an_application_may_close_while_it_waits_to_receive(issuer: StandIn) -> None:
    """Granian lets nobody close while somebody receives: we must not receive on in the dark."""
    told: list[Message] = []

    async def closes(scope: Message, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        waiting = asyncio.create_task(receive())
        await asyncio.sleep(0.05)
        await send({"type": "websocket.close", "code": 1000})
        told.append(await waiting)
        with pytest.raises(OSError, match="ended"):
            await send({"type": "websocket.send", "text": "after"})

    async with Gatepost(issuer.url, when_unknown="trust") as gatepost:
        peer = Peer.with_header(issuer.token())
        held, queue = asyncio.Lock(), peer.incoming.get

        async def receive() -> Message:
            async with held:
                return await queue()

        async def send(message: Message) -> None:
            if message["type"] == "websocket.close":
                assert not held.locked()
            await peer.send(message)

        guarded: Any = GatepostMiddleware(closes, gatepost)
        await asyncio.wait_for(guarded(peer.scope, receive, send), 2)
        assert told[0]["type"] == "websocket.disconnect"
        assert [message["type"] for message in peer.sent][-1] == "websocket.close"


async def test_a_thousand_sockets_are_watched_without_asking_about_each(
    issuer: StandIn, stream: EventStream
) -> None:
    issuer.answer_introspect = saying(b"", 500)
    async with Gatepost(issuer.url, kafka=stream.kafka) as gatepost:
        token = issuer.token()
        caller = await gatepost.check(token)
        watches = [gatepost.watching(token, caller) for _ in range(1000)]
        for watch in watches:
            watch.__enter__()
        times = []
        for _ in range(5):
            began = time.perf_counter()
            assert gatepost._watches.doubtful() == []
            times.append(time.perf_counter() - began)
        assert len(gatepost._watches) == 1000
        assert min(times) < 0.05
        for watch in watches:
            watch.__exit__(None, None, None)
