"""A client of Kafka's that will never hear anything again is replaced, and nothing is missed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import confluent_kafka
import pytest

from gatepost_client import Gatepost
from gatepost_client.kafka import follower, watermarks
from gatepost_client.kafka.watermarks import Config, Watermarks
from tests.clients.python.event_stream import EventStream
from tests.clients.python.stand_in_issuer import StandIn
from tests.clients.python.test_following import said_by
from tests.clients.python.verdicts import becomes, verdict

pytestmark = pytest.mark.anyio


async def test_a_reader_that_hears_nothing_of_what_is_there_begins_anew(
    issuer: StandIn, stream: EventStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who can hear does so within the first of these, on a busy machine too.
    monkeypatch.setattr(follower, "DEAF_SECONDS", 2.0)
    monkeypatch.setattr(follower, "AGAIN_SECONDS", 0.3)
    hear = follower._messages
    deaf: list[confluent_kafka.Consumer] = []

    def messages(client: confluent_kafka.Consumer) -> Iterator[confluent_kafka.Message]:
        deaf[:] = deaf or [client]
        for message in hear(client):
            if client is not deaf[0]:
                yield message

    monkeypatch.setattr(follower, "_messages", messages)
    async with Gatepost(issuer.url, kafka=stream.kafka) as gatepost:
        token = issuer.token()
        assert await verdict(gatepost, token) == "accepted"
        stream.end_sessions(said_by(token)["sid"])
        await becomes("rejected", gatepost, token)


async def test_whoever_asks_for_the_ends_in_vain_asks_with_another_client(
    stream: EventStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watermarks, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(watermarks, "MOST_FAILURES", 2)
    config: Config = {"bootstrap.servers": "127.0.0.1:1", "log_level": 0}
    asked = Watermarks(config, [stream.prefix + "user_deleted"], pause=0.05)
    stopping = threading.Event()
    thread = threading.Thread(target=asked.keep_asking, args=[stopping])
    thread.start()
    try:
        async with asyncio.timeout(10):
            while not asked._failures:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            # Then none can be made at all, which the thread must outlive.
            config["security.protocol"] = "nonsense"
            while asked._failures < 4:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            config.update({"bootstrap.servers": stream.brokers, "security.protocol": "plaintext"})
            while not asked.waiting:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    finally:
        stopping.set()
        await asyncio.to_thread(thread.join)
