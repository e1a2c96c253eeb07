"""Following Kafka: every end is known within a second, whenever and by whomever it was told."""

from __future__ import annotations

import asyncio
import statistics
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions  # type: ignore[attr-defined]

from gatepost_client import Gatepost
from gatepost_client.kafka import Kafka
from gatepost_client.revocations import MARGIN_SECONDS, Revocations
from tests.clients.python.event_stream import CRM, EventStream
from tests.clients.python.stand_in_issuer import StandIn
from tests.clients.python.verdicts import becomes, verdict

pytestmark = pytest.mark.anyio


def following(issuer: StandIn, stream: EventStream, **more: Any) -> Gatepost:
    return Gatepost(issuer.url, kafka=stream.kafka, **more)


def said_by(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


def ago(**span: float) -> datetime:
    return datetime.now(UTC) - timedelta(**span)


async def heard(gatepost: Gatepost, issuer: StandIn, stream: EventStream) -> None:
    """Wait until everything before has been read, in each partition of the topic at hand."""
    for partition in range(3):
        for topic in ("sessions_revoked", "user_deactivated", "user_deleted"):
            session = str(uuid.uuid4())
            if topic == "sessions_revoked":
                stream.end_sessions(session, partition=partition)
                await becomes("rejected", gatepost, issuer.token(sid=session))
    # The other topics are read by the same thread in the same rounds.
    known = gatepost._follower
    assert known is not None
    mark = time.monotonic()
    while known._known_at is None or known._known_at < mark:
        assert time.monotonic() - mark < 5
        await asyncio.sleep(0.02)


async def test_each_kind_of_end_is_known(issuer: StandIn, stream: EventStream) -> None:
    async with following(issuer, stream) as gatepost:
        tokens = [issuer.token() for _ in range(4)]
        claims = [said_by(token) for token in tokens]
        assert {await verdict(gatepost, token) for token in tokens} == {"accepted"}
        stream.end_sessions(claims[0]["sid"], str(uuid.uuid4()))
        stream.deactivate(claims[1]["sub"])
        stream.delete(claims[2]["sub"])
        for token in tokens[:3]:
            await becomes("rejected", gatepost, token)
        assert await verdict(gatepost, tokens[3]) == "accepted"


async def test_what_ended_before_the_start_is_known_from_the_start(
    issuer: StandIn, stream: EventStream
) -> None:
    tokens = [issuer.token() for _ in range(30)]
    for number, token in enumerate(tokens):
        claims = said_by(token)
        match number % 3:
            case 0:
                stream.end_sessions(claims["sid"])
            case 1:
                stream.deactivate(claims["sub"])
            case 2:
                stream.delete(claims["sub"])
    async with following(issuer, stream) as gatepost:
        assert {await verdict(gatepost, token) for token in tokens} == {"rejected"}
        assert await verdict(gatepost, issuer.token()) == "accepted"


async def test_nothing_is_accepted_before_a_backlog_has_been_read_to_its_end(
    issuer: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatepost_client.gatepost.READY_SECONDS", 0.01)
    stream = await asyncio.to_thread(EventStream)
    token = issuer.token()
    stream.end_many(20_000)
    stream.end_sessions(said_by(token)["sid"], partition=0)
    async with following(issuer, stream) as gatepost:
        said = "unavailable"
        while said == "unavailable":
            said = await verdict(gatepost, token)
            await asyncio.sleep(0)
        assert said == "rejected"
        assert len(gatepost._revocations) == 20_001


async def test_it_begins_to_read_where_the_end_of_a_living_token_could_stand(
    issuer: StandIn, stream: EventStream
) -> None:
    quarter = timedelta(minutes=15)
    ended = issuer.token()
    before = int((time.time() - 900 - MARGIN_SECONDS - 60) * 1000)
    # The moment in the event is of now, so that only the record's place can keep it out.
    for partition in range(3):
        stream.end_sessions(said_by(ended)["sid"], partition=partition, timestamp=before)
    # A time index may only tell of what comes after.
    lately = issuer.token()
    stream.end_sessions(said_by(lately)["sid"], timestamp=before + 120_000)
    async with following(issuer, stream, longest_token=quarter) as gatepost:
        assert await verdict(gatepost, lately) == "rejected"


async def test_whoever_is_let_in_again_has_tokens_that_count(
    issuer: StandIn, stream: EventStream
) -> None:
    user, now = str(uuid.uuid4()), int(time.time())
    async with following(issuer, stream) as gatepost:
        before = issuer.token(sub=user, iat=now - 60)
        stream.deactivate(user, at=ago(seconds=30))
        await becomes("rejected", gatepost, before)
        # Only an account that is open gets a token: it needs no event to say so.
        after = issuer.token(sub=user, iat=now - 20)
        assert await verdict(gatepost, after) == "accepted"
        # An older event that comes late undoes nothing.
        stream.deactivate(user, at=ago(seconds=90))
        await heard(gatepost, issuer, stream)
        assert await verdict(gatepost, before) == "rejected"
        assert await verdict(gatepost, after) == "accepted"


async def test_replayed_events_end_nothing_that_they_had_not_ended(
    issuer: StandIn, stream: EventStream
) -> None:
    async with following(issuer, stream) as gatepost:
        token = issuer.token()
        stream.deactivate(said_by(token)["sub"], at=ago(days=3))
        await heard(gatepost, issuer, stream)
        assert await verdict(gatepost, token) == "accepted"


async def test_of_other_services_only_a_listed_ones_deactivation_counts(
    issuer: StandIn, stream: EventStream
) -> None:
    async with following(issuer, stream) as gatepost:
        good, shut = issuer.token(), issuer.token()
        claims = said_by(good)
        for source in ("somebody/else", CRM.upper(), f"{CRM}/", None):
            stream.deactivate(claims["sub"], source=source)
        for source in ("somebody/else", CRM):
            stream.end_sessions(claims["sid"], source=source)
            event = {"user_id": claims["sub"], "deleted_at": ago().isoformat()}
            stream.tell("user_deleted", event, source=source)
        stream.tell(
            "user_deactivated",
            {"user_id": claims["sub"]},
            source=CRM,
            time=ago(minutes=-10).isoformat(),
        )
        # Dated long ago, and nothing but the user: as the user service accepts it.
        stream.tell(
            "user_deactivated",
            {"user_id": said_by(shut)["sub"]},
            source=CRM,
            time=ago(hours=2).isoformat(),
        )
        await becomes("rejected", gatepost, shut)
        # Tokens that the service has signed until it heard of it end too.
        while_it_settled = issuer.token(sub=said_by(shut)["sub"], iat=int(time.time()) + 20)
        assert await verdict(gatepost, while_it_settled) == "rejected"
        await heard(gatepost, issuer, stream)
        assert await verdict(gatepost, good) == "accepted"


BROKEN: list[object] = [
    b"",
    b"{",
    b"\xff\xfe",
    b"[" * 100_000,
    [],
    None,
    7,
    {},
    {"session_ids": "all", "user_id": 7},
    {"session_ids": [None], "user_id": None},
    {"session_ids": [7], "user_id": ["x"]},
    {"session_ids": ["' or 1=1--"], "user_id": "everybody"},
]


async def test_a_malformed_record_is_passed_over_and_those_after_it_are_read(
    issuer: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    stream = await asyncio.to_thread(EventStream)
    async with following(issuer, stream) as gatepost:
        for topic in ("sessions_revoked", "user_deactivated", "user_deleted"):
            for broken in BROKEN:
                stream.tell(topic, broken, partition=0)
        moments: list[Any] = ["yesterday", 7, None, "9999-12-31T23:59:59Z", "2026-01-01T00:00:00"]
        odd = [issuer.token() for _ in moments]
        for moment, token in zip(moments, odd, strict=True):
            event = {"session_ids": [said_by(token)["sid"]], "revoked_at": moment, "new": {}}
            stream.tell("sessions_revoked", event, partition=0)
        for token in odd[:4]:
            await becomes("rejected", gatepost, token)
        await heard(gatepost, issuer, stream)
        assert await verdict(gatepost, issuer.token()) == "accepted"
    told = [line for line in caplog.messages if "passed over" in line]
    assert len(told) == 3 * len(BROKEN)


async def test_a_partition_that_is_added_later_is_followed_too(issuer: StandIn) -> None:
    stream = await asyncio.to_thread(EventStream)
    async with following(issuer, stream) as gatepost:
        token = issuer.token()
        assert await verdict(gatepost, token) == "accepted"
        admin = AdminClient({"bootstrap.servers": stream.brokers})
        topic = stream.prefix + "sessions_revoked"
        [grown] = admin.create_partitions([NewPartitions(topic, 4)]).values()
        grown.result()
        fresh = EventStream.__new__(EventStream)
        fresh.prefix, fresh.client = stream.prefix, Producer({"bootstrap.servers": stream.brokers})
        fresh.end_sessions(said_by(token)["sid"], partition=3)
        await becomes("rejected", gatepost, token)
        assert await verdict(gatepost, issuer.token()) == "accepted"


async def test_a_transactions_marker_at_the_end_of_a_topic_is_no_gap_in_knowledge(
    issuer: StandIn, stream: EventStream
) -> None:
    producer = Producer({"bootstrap.servers": stream.brokers, "transactional.id": uuid.uuid4().hex})
    await asyncio.to_thread(producer.init_transactions, 20)
    producer.begin_transaction()
    topic = stream.prefix + "user_deactivated"
    producer.produce(topic, b"{}", partition=0, headers=[("ce_source", b"somebody")])
    await asyncio.to_thread(producer.commit_transaction, 20)
    async with following(issuer, stream) as gatepost:
        assert gatepost.ready
        assert await verdict(gatepost, issuer.token()) == "accepted"


async def test_topics_that_are_not_there_are_nothing_known(
    issuer: StandIn, stream: EventStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatepost_client.gatepost.READY_SECONDS", 1.0)
    wrong = Kafka(stream.brokers, topic_prefix="wrong-")
    async with Gatepost(issuer.url, kafka=wrong) as gatepost:
        assert await verdict(gatepost, issuer.token()) == "unavailable"


def test_what_has_ended_is_forgotten_when_no_token_of_then_can_be_alive() -> None:
    revocations, now = Revocations(900), time.time()
    revocations.end_sessions([uuid.uuid4() for _ in range(5)], now - 900 - MARGIN_SECONDS + 1)
    revocations.bar_user(uuid.uuid4(), now - 900 - MARGIN_SECONDS + 1)
    revocations.end_sessions([uuid.uuid4()], now - 900 - MARGIN_SECONDS - 1)
    revocations.bar_user(uuid.uuid4(), now - 900 - MARGIN_SECONDS - 1)
    assert len(revocations) == 6
    revocations.forget()
    assert len(revocations) == 6
    time.sleep(1.01)
    revocations.forget()
    assert len(revocations) == 0


async def test_a_check_of_a_token_that_was_seen_costs_a_twentieth_of_a_millisecond(
    issuer: StandIn, stream: EventStream
) -> None:
    async with following(issuer, stream) as gatepost:
        token = issuer.token()
        times = []
        for _ in range(3000):
            began = time.perf_counter()
            await gatepost.check(token)
            times.append(time.perf_counter() - began)
        print(f"{statistics.median(times) * 1e6:.1f} µs")
        assert statistics.median(times) < 0.05e-3
