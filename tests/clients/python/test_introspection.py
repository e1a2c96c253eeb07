"""Asking the service: rarely, once for all who wait, and with no answer taken for another."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any

import jwt
import pytest

from gatepost_client import Gatepost, Introspection, introspection
from tests.clients.python.event_stream import EventStream
from tests.clients.python.stand_in_issuer import StandIn, saying, silent
from tests.clients.python.test_following import said_by
from tests.clients.python.verdicts import becomes, verdict
from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import member, sign_in
from tests.service_process import ServiceProcess
from tests.user_service.forged_tokens import MISCLAIMED, hs, part
from tests.user_service.services import registered
from tests.user_service.signing_keys import JWT_SECRET

pytestmark = pytest.mark.anyio
CREDENTIALS = Introspection("shop", "s3cret")


def asking(issuer: StandIn, **more: Any) -> Gatepost:
    return Gatepost(issuer.url, introspection=CREDENTIALS, **more)


def end(issuer: StandIn, token: str) -> None:
    issuer.ended.add(said_by(token)["sid"])


async def test_an_ended_session_is_refused_within_a_second(issuer: StandIn) -> None:
    async with asking(issuer) as gatepost:
        token, other = issuer.token(), issuer.token()
        assert await verdict(gatepost, token) == "accepted"
        end(issuer, token)
        seconds = await becomes("rejected", gatepost, token)
        print(f"refused after {seconds:.3f} s")
        assert await verdict(gatepost, other) == "accepted"
        # It never comes back, so that nobody is asked again.
        asked = len(issuer.asked)
        for _ in range(5):
            assert await verdict(gatepost, token) == "rejected"
        assert len(issuer.asked) == asked


async def test_all_who_wait_for_one_token_cost_one_question(issuer: StandIn) -> None:
    async with asking(issuer) as gatepost:
        token = issuer.token()
        assert {*await asyncio.gather(*[verdict(gatepost, token) for _ in range(200)])} == {
            "accepted"
        }
        assert issuer.asked == [{"token": token}]
        assert issuer.credentials == ["Basic c2hvcDpzM2NyZXQ="]


async def test_who_hangs_up_does_not_take_the_answer_from_the_others(issuer: StandIn) -> None:
    async def slow(_: Any) -> Any:
        await asyncio.sleep(0.3)
        return await saying(issuer.described(token))(_)

    async with asking(issuer) as gatepost:
        token = issuer.token()
        issuer.answer_introspect = slow
        first = asyncio.create_task(gatepost.check(token))
        await asyncio.sleep(0.1)
        second = asyncio.create_task(gatepost.check(token))
        first.cancel()
        assert (await second).token_id == said_by(token)["jti"]
        assert len(issuer.asked) == 1


async def test_forged_tokens_are_refused_without_a_question(issuer: StandIn) -> None:
    async with asking(issuer) as gatepost:
        forged = [issuer.token()[:-5] + "AAAAA" for _ in range(20)]
        assert {await verdict(gatepost, token) for token in forged} == {"rejected"}
        assert issuer.asked == []


async def test_answers_are_remembered_in_a_bounded_space(
    issuer: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(introspection, "MOST_REMEMBERED", 5)
    async with asking(issuer) as gatepost:
        assert gatepost._introspector is not None
        for _ in range(8):
            await verdict(gatepost, issuer.token())
        assert len(gatepost._introspector._told) == 5
        assert gatepost._introspector._asking == {}


OTHER: dict[str, dict[str, Any]] = {
    "another user": {"sub": str(uuid.uuid4())},
    "another session": {"sid": str(uuid.uuid4())},
    "another token": {"jti": "x"},
    "another issuer": {"iss": "https://evil.example"},
    "another audience": {"aud": "billing"},
    "several audiences": {"aud": ["gatepost"]},
    "a refresh token": {"token_type": "refresh_token"},
    "another expiry": {"exp": 2**33},
    "active a text": {"active": "false"},
    "active a number": {"active": 1},
    "active null": {"active": None},
}


@pytest.mark.parametrize("what", OTHER)
async def test_an_answer_about_something_else_accepts_nothing(issuer: StandIn, what: str) -> None:
    async with asking(issuer) as gatepost:
        token = issuer.token()
        issuer.answer_introspect = saying(issuer.described(token) | OTHER[what])
        assert await verdict(gatepost, token) in ("rejected", "unavailable")


NO_ANSWERS = {
    "hangs": silent,
    "our credentials are refused": saying({"error": "invalid_client"}, 401),
    "it is overloaded": saying({}, 429),
    "it is down": saying({"active": False}, 503),
    "a redirect": saying({"active": False}, 302, {"location": "/"}),
    "no json": saying(b"<html>"),
    "a list": saying([]),
    "nothing": saying(b""),
    "nested deep": saying(b"[" * 100_000),
    "a megabyte": saying(b'{"active":true,"x":"' + b"x" * 2**20 + b'"}'),
}


@pytest.mark.parametrize("what", NO_ANSWERS)
async def test_no_answer_is_no_refusal_and_what_becomes_of_a_token_is_a_setting(
    issuer: StandIn, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(introspection, "PROBE_SECONDS", 0.3)
    issuer.answer_introspect = NO_ANSWERS[what]
    async with asking(issuer) as refuses, asking(issuer, when_unknown="trust") as trusts:
        token, forged = issuer.token(), issuer.token()[:-5] + "AAAAA"
        refused, trusted = await asyncio.gather(verdict(refuses, token), verdict(trusts, token))
        assert (refused, trusted) == ("unavailable", "accepted")
        assert [await verdict(each, forged) for each in (refuses, trusts)] == ["rejected"] * 2
        # A known outage holds nobody up.
        began = time.monotonic()
        assert await verdict(refuses, issuer.token()) == "unavailable"
        assert time.monotonic() - began < 1.0
        issuer.answer_introspect = None
        await becomes("accepted", refuses, token)


async def test_an_end_that_was_heard_of_stays_known_when_the_service_falls_silent(
    issuer: StandIn,
) -> None:
    async with asking(issuer, when_unknown="trust") as gatepost:
        token = issuer.token()
        end(issuer, token)
        assert await verdict(gatepost, token) == "rejected"
        issuer.answer_introspect = saying(b"", 503)
        assert await verdict(gatepost, issuer.token()) == "accepted"
        assert await verdict(gatepost, token) == "rejected"


# -- without keys: the service signs with a secret, or has not told them yet -----------------------


async def test_without_keys_the_service_is_asked_and_nothing_is_trusted(issuer: StandIn) -> None:
    issuer.answer_jwks = saying({"keys": []})
    async with asking(issuer, when_unknown="trust") as gatepost:
        token, other, alien = issuer.token(), issuer.token(), issuer.token(iss="https://x.example")
        assert await verdict(gatepost, token) == "accepted"
        assert await verdict(gatepost, alien) == "rejected"
        assert await verdict(gatepost, issuer.token(header={"typ": "JWT"})) == "rejected"
        assert await verdict(gatepost, issuer.token(exp=int(time.time()) - 1)) == "rejected"
        assert len(issuer.asked) == 1
        end(issuer, token)
        await becomes("rejected", gatepost, token)
        issuer.answer_introspect = saying(b"", 503)
        # Signed or not: nobody here can tell.
        assert await verdict(gatepost, other) == "unavailable"


async def test_without_keys_and_without_introspection_nothing_is_accepted(issuer: StandIn) -> None:
    issuer.answer_jwks = saying({"keys": []})
    async with Gatepost(issuer.url, when_unknown="trust") as gatepost:
        assert await verdict(gatepost, issuer.token()) == "unavailable"


async def test_an_installation_that_signs_with_a_secret_is_asked_and_no_forgery_passes(
    corner: Corner, mailroom: Mailroom
) -> None:
    with ServiceProcess.started(corner.variables, JWT_SECRET=JWT_SECRET) as service:
        other = await asyncio.to_thread(registered, corner, service)
        person = await member(service, mailroom)
        issuer = f"http://localhost:{service.port}"
        credentials = Introspection(other.id, other.secret)
        async with service.client() as http, Gatepost(issuer, introspection=credentials) as shop:
            token = (await sign_in(http, person)).access
            assert await verdict(shop, token) == "accepted"
            header, claims = jwt.get_unverified_header(token), said_by(token)
            key = JWT_SECRET.encode()
            forged = [
                hs({**header, **head}, {**claims, **said}, key)
                for head, said in MISCLAIMED.values()
            ]
            forged += [hs(header, claims, wrong) for wrong in (b"", b"secret", key[:-1])]
            forged += [
                hs({**header, "alg": alg}, claims, key) for alg in ("none", "ES256", "HS384")
            ]
            forged += [f"{part({**header, 'alg': 'none'})}.{part(claims)}."]
            assert {await verdict(shop, each) for each in forged} == {"rejected"}
            await http.post("/api/auth/logout", headers={"authorization": f"Bearer {token}"})
            await becomes("rejected", shop, token)


# -- beside Kafka ---------------------------------------------------------------------------------


async def test_with_kafka_the_service_is_asked_only_while_kafka_is_silent(
    issuer: StandIn, stream: EventStream
) -> None:
    async with asking(issuer, kafka=stream.kafka) as gatepost:
        token, ended = issuer.token(), issuer.token()
        assert await verdict(gatepost, token) == "accepted"
        assert issuer.asked == []
        follower = gatepost._follower
        assert follower is not None
        await asyncio.to_thread(follower.stop)
        end(issuer, ended)
        assert await verdict(gatepost, token) == "accepted"
        assert await verdict(gatepost, ended) == "rejected"
        assert len(issuer.asked) == 2
        follower.start()
        while not follower.fresh:  # noqa: ASYNC110 - a thread
            await asyncio.sleep(0.02)
        assert await verdict(gatepost, issuer.token()) == "accepted"
        assert len(issuer.asked) == 2
