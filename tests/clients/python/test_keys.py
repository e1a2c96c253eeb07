"""Keys: fetched once, again for an unknown kid at most every ten seconds, and never from a liar."""

from __future__ import annotations

import asyncio
import gzip
import time
from typing import Any, Literal

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

from gatepost_client import Gatepost, keys
from tests.clients.python.event_stream import EventStream
from tests.clients.python.stand_in_issuer import StandIn, saying, silent
from tests.clients.python.verdicts import becomes, verdict

pytestmark = pytest.mark.anyio


def trusting(issuer: StandIn, **more: Any) -> Gatepost:
    """A client to whom the signature is all that matters."""
    return Gatepost(issuer.url, when_unknown="trust", **more)


async def test_keys_are_fetched_once_for_a_thousand_tokens(issuer: StandIn) -> None:
    tokens = [issuer.token() for _ in range(50)]
    async with trusting(issuer) as gatepost:
        verdicts = await asyncio.gather(*[verdict(gatepost, tokens[n % 50]) for n in range(1000)])
        assert set(verdicts) == {"accepted"}
        assert issuer.fetches == 1


async def test_a_token_of_a_new_key_is_accepted_at_once_for_one_request(issuer: StandIn) -> None:
    async with trusting(issuer) as gatepost:
        old = issuer.token()
        issuer.add_key("k2")
        new = [issuer.token() for _ in range(20)]
        said = await asyncio.gather(*[verdict(gatepost, token) for token in [old, *new]])
        assert (set(said), issuer.fetches) == ({"accepted"}, 2)


async def test_a_thousand_random_kids_cost_the_service_one_request_in_ten_seconds(
    issuer: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with trusting(issuer) as gatepost:
        forged = [issuer.token(header={"kid": f"r{number}"}) for number in range(1000)]
        good = issuer.token()
        for hundred in range(0, 1000, 100):
            some = forged[hundred : hundred + 100]
            assert {*await asyncio.gather(*[verdict(gatepost, t) for t in some])} == {"rejected"}
        assert issuer.fetches == 2
        assert await verdict(gatepost, good) == "accepted"
        moved = time.monotonic() + 10.0
        monkeypatch.setattr(keys, "monotonic", lambda: moved)
        for token in forged[:20]:
            assert await verdict(gatepost, token) == "rejected"
        assert issuer.fetches == 3


async def test_a_key_that_is_no_longer_listed_stops_counting_for_remembered_tokens_too(
    issuer: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "LEAST_SECONDS", 0.1)
    issuer.max_age = 0
    async with trusting(issuer) as gatepost:
        stolen = issuer.token()
        assert await verdict(gatepost, stolen) == "accepted"
        del issuer.keys["k1"]
        issuer.add_key("k2")
        await becomes("rejected", gatepost, stolen)
        assert await verdict(gatepost, issuer.token()) == "accepted"


async def test_another_key_under_the_same_kid_stops_the_first(
    issuer: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "LEAST_SECONDS", 0.1)
    issuer.max_age = 0
    async with trusting(issuer) as gatepost:
        first = issuer.token()
        assert await verdict(gatepost, first) == "accepted"
        issuer.add_key("k1")
        await becomes("rejected", gatepost, first)


async def redirected(request: web.Request) -> web.StreamResponse:
    if request.query_string:
        return web.json_response({"keys": []})
    raise web.HTTPFound("/.well-known/jwks.json?elsewhere")


NO_KEY_SETS = {
    "hangs": silent,
    "an error": saying({"keys": []}, 503),
    "a redirect": redirected,
    "no json": saying(b"<html>"),
    "a list": saying([]),
    "keys a text": saying({"keys": "k1"}),
    "keys of texts": saying({"keys": ["k1"]}),
    "nothing": saying(b""),
    "nested deep": saying(b"[" * 100_000),
    "a megabyte": saying(b'{"keys":[' + b" " * 2**20 + b"]}"),
    "compressed though we ask for plain": saying(
        gzip.compress(b'{"keys":[]}'), headers={"content-encoding": "gzip"}
    ),
    "a small answer that unpacks to a megabyte": saying(
        gzip.compress(b'{"keys":[' + b" " * 2**20 + b"]}"), headers={"content-encoding": "gzip"}
    ),
}


@pytest.mark.parametrize("what", NO_KEY_SETS)
async def test_what_is_no_key_set_leaves_the_keys_as_they_were(issuer: StandIn, what: str) -> None:
    async with trusting(issuer) as gatepost:
        token, forged = issuer.token(), issuer.token(header={"kid": "new"})
        issuer.answer_jwks = NO_KEY_SETS[what]
        # It may be signed with a key that the service cannot tell: that is no 401.
        assert await verdict(gatepost, forged) == "unavailable"
        assert await verdict(gatepost, token) == "accepted"
        assert issuer.fetches == 2


async def test_only_es256_keys_are_taken_from_a_key_set(issuer: StandIn) -> None:
    public = jwt.algorithms.ECAlgorithm.to_jwk(
        ec.generate_private_key(ec.SECP384R1()).public_key(), as_dict=True
    )
    [good] = issuer.jwks()
    others = [
        {"kty": "oct", "kid": "a", "k": "c2VjcmV0", "alg": "HS256"},
        {"kty": "RSA", "kid": "b", "n": "AQAB", "e": "AQAB"},
        {**public, "kid": "c"},
        {**public, "kid": "d", "crv": "P-256"},
        {**good, "kid": "e", "use": "enc"},
        {**good, "kid": "f", "alg": "ES384"},
        {**good, "kid": 7},
        {**good, "kid": ""},
        {**good, "kid": "g", "x": "AAAA"},
        {**good, "kid": "h", "x": 1},
    ]
    issuer.answer_jwks = saying({"keys": [*others, good]})
    async with trusting(issuer) as gatepost:
        assert await verdict(gatepost, issuer.token()) == "accepted"
        for other in others:
            kid = other["kid"] if isinstance(other["kid"], str) else "x"
            assert await verdict(gatepost, issuer.token(header={"kid": kid})) == "rejected"


async def test_before_the_keys_are_known_nothing_is_accepted_and_afterwards_it_is(
    issuer: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatepost_client.gatepost.READY_SECONDS", 0.1)
    issuer.answer_jwks = saying(b"", 503)
    token = issuer.token()
    async with trusting(issuer) as gatepost:
        assert await verdict(gatepost, token) == "unavailable"
        issuer.answer_jwks = None
        await becomes("accepted", gatepost, token)


@pytest.mark.parametrize("when_unknown", ["refuse", "trust"])
async def test_keys_that_could_not_be_read_for_an_hour_are_not_known_to_count(
    issuer: StandIn,
    stream: EventStream,
    monkeypatch: pytest.MonkeyPatch,
    when_unknown: Literal["refuse", "trust"],
) -> None:
    """Whoever stole a key and can keep us from the service must not use it for ever."""
    async with Gatepost(issuer.url, kafka=stream.kafka, when_unknown=when_unknown) as gatepost:
        token, moved = issuer.token(), time.monotonic() + keys.KNOWN_SECONDS
        assert await verdict(gatepost, token) == "accepted"
        monkeypatch.setattr(keys, "monotonic", lambda: moved)
        assert await verdict(gatepost, token) == "unavailable"
