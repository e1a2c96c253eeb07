"""Tokens: the same forgeries that the service refuses, and the caller that a good one names."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import jwt
import pytest

from gatepost_client import Gatepost, remembered
from tests.clients.python.stand_in_issuer import LIFETIME, StandIn
from tests.clients.python.verdicts import verdict
from tests.people import SignedIn
from tests.user_service.forged_tokens import FORGERIES, MISCLAIMED, Forge, recording, sign

pytestmark = pytest.mark.anyio
# Nobody but the service knows that there is no such user or session.
ONLY_THE_SERVICE_KNOWS = {"sub another's", "sid of no session"}


@pytest.fixture(scope="module")
def recorder() -> Iterator[tuple[str, list[bytes]]]:
    with recording() as recorder:
        yield recorder


async def test_a_good_token_names_its_caller(issuer: StandIn) -> None:
    sub, sid = uuid.uuid4(), uuid.uuid4()
    token = issuer.token(sub=str(sub), sid=str(sid), jti="j")
    async with Gatepost(issuer.url, when_unknown="trust") as gatepost:
        for _ in range(2):
            caller = await gatepost.check(token)
            assert (caller.user_id, caller.session_id, caller.token_id) == (sub, sid, "j")
            assert caller.expires_at - caller.issued_at == LIFETIME


async def test_forged_and_misclaimed_tokens_are_worth_nothing(
    issuer: StandIn, recorder: tuple[str, list[bytes]]
) -> None:
    good = issuer.token()
    forge = Forge(SignedIn(good, "A" * 112), issuer.jwks()[0], recorder[0])
    signed = {
        what: sign(forge.header | header, forge.claims | claims, issuer.keys["k1"])
        for what, (header, claims) in MISCLAIMED.items()
        if what not in ONLY_THE_SERVICE_KNOWS
    }
    forged = {what: make(forge) for what, make in FORGERIES.items()}
    assert len(signed) + len(forged) > 100
    async with Gatepost(issuer.url, when_unknown="trust") as gatepost:
        assert await verdict(gatepost, sign(forge.header, forge.claims, issuer.keys["k1"]))
        said = {what: await verdict(gatepost, token) for what, token in (signed | forged).items()}
        assert {what for what, each in said.items() if each != "rejected"} == set()
        assert await verdict(gatepost, good) == "accepted"
    assert recorder[1] == []
    assert issuer.fetches <= 2


# Of this moment, because what is wrong otherwise would be refused for that.
OTHER_KINDS: dict[str, Callable[[float], dict[str, Any]]] = {
    "iat a fraction": lambda now: {"iat": now - 1.5},
    "iat a text": lambda now: {"iat": str(int(now))},
    "iat true": lambda _: {"iat": True},
    "exp a fraction": lambda now: {"exp": now + 100.5},
    "exp a text": lambda now: {"exp": str(int(now) + 100)},
    "exp in thirty years": lambda now: {"exp": int(now) + 10**9},
    "jti a number": lambda _: {"jti": 7},
    "jti empty": lambda _: {"jti": ""},
    "sub empty": lambda _: {"sub": ""},
    "sid a list": lambda _: {"sid": ["x"]},
    "aud a list": lambda _: {"aud": ["gatepost"]},
}


@pytest.mark.parametrize("what", OTHER_KINDS)
async def test_a_claim_of_another_kind_is_refused_though_the_signature_is_right(
    issuer: StandIn, what: str
) -> None:
    async with Gatepost(issuer.url, when_unknown="trust") as gatepost:
        header = {"alg": "ES256", "typ": "at+jwt", "kid": "k1"}
        said = {**_claims(issuer.token()), **OTHER_KINDS[what](time.time())}
        assert await verdict(gatepost, sign(header, said, issuer.keys["k1"])) == "rejected"


def _claims(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


async def test_a_token_that_is_too_long_is_refused_though_it_is_right(issuer: StandIn) -> None:
    async with Gatepost(issuer.url, when_unknown="trust") as gatepost:
        assert await verdict(gatepost, issuer.token(padding="x" * 2500)) == "accepted"
        assert await verdict(gatepost, issuer.token(padding="x" * 3500)) == "rejected"


async def test_a_remembered_token_ends_at_its_exp(issuer: StandIn) -> None:
    async with Gatepost(issuer.url, when_unknown="trust") as gatepost:
        token = issuer.token(exp=int(time.time()) + 2)
        assert len(gatepost._remembered) == 0
        assert await verdict(gatepost, token) == "accepted"
        await asyncio.sleep(_claims(token)["exp"] - time.time())
        assert await verdict(gatepost, token) == "rejected"


async def test_a_token_that_lives_longer_than_we_remember_its_end_is_refused(
    issuer: StandIn,
) -> None:
    quarter = timedelta(seconds=LIFETIME)
    async with Gatepost(issuer.url, when_unknown="trust", longest_token=quarter) as gatepost:
        now = int(time.time())
        assert await verdict(gatepost, issuer.token()) == "accepted"
        assert await verdict(gatepost, issuer.token(exp=now + LIFETIME + 2)) == "rejected"


async def test_no_more_tokens_are_remembered_than_there_is_room_for(
    issuer: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "MOST", 10)
    async with Gatepost(issuer.url, when_unknown="trust") as gatepost:
        for _ in range(15):
            assert await verdict(gatepost, issuer.token()) == "accepted"
        assert len(gatepost._remembered) == 10


async def test_a_client_that_does_not_run_checks_nothing(issuer: StandIn) -> None:
    gatepost = Gatepost(issuer.url, when_unknown="trust")
    with pytest.raises(RuntimeError):
        await gatepost.check(issuer.token())
    async with gatepost, gatepost:
        pass
    with pytest.raises(RuntimeError):
        await gatepost.check(issuer.token())


@pytest.mark.parametrize(
    ("url", "more"),
    [
        ("http://accounts.example.org", {}),
        ("https://accounts.example.org", {"base_url": "http://users:3000"}),
        ("ftp://accounts.example.org", {}),
        ("accounts.example.org", {}),
        ("https://accounts.example.org?x", {}),
        ("https://accounts.example.org", {"when_unknown": "refuse"}),
        ("https://accounts.example.org", {"when_unknown": "hope"}),
    ],
)
async def test_an_unsafe_or_senseless_configuration_is_refused(
    url: str, more: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Gatepost(url, **{"when_unknown": "trust"} | more)
    Gatepost("http://users:3000", when_unknown="trust", allow_http=True)
