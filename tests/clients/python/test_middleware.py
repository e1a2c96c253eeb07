"""The middleware: nothing behind it is reached without a token that counts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from gatepost_client import Gatepost, GatepostMiddleware, caller_of, maybe_caller_of
from tests.clients.python.stand_in_issuer import StandIn, saying
from tests.clients.python.test_following import said_by

pytestmark = pytest.mark.anyio
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def tells_who(scope: dict[str, Any], _: object, send: Send) -> None:
    """An application without a framework."""
    caller = maybe_caller_of(scope)
    body = b"nobody" if caller is None else str(caller.user_id).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def client(gatepost: Gatepost, **more: Any) -> httpx.AsyncClient:
    guarded: Any = GatepostMiddleware(tells_who, gatepost, **more)
    return httpx.AsyncClient(transport=httpx.ASGITransport(guarded), base_url="http://shop")


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def test_a_good_token_passes_whatever_the_case_of_its_scheme(issuer: StandIn) -> None:
    token = issuer.token()
    async with Gatepost(issuer.url, when_unknown="trust") as gatepost, client(gatepost) as shop:
        for scheme in ("Bearer", "bearer", "BEARER", "Bearer "):
            answer = await shop.get("/", headers={"authorization": f"{scheme} {token}"})
            assert answer.text == said_by(token)["sub"]


async def test_a_refusal_tells_why_in_the_words_of_its_standards(issuer: StandIn) -> None:
    async with Gatepost(issuer.url, when_unknown="trust") as gatepost, client(gatepost) as shop:
        missing, bad = await shop.get("/"), await shop.get("/", headers=bearer("x.y.z"))
        for answer, code in ((missing, "token_missing"), (bad, "token_rejected")):
            assert answer.status_code == 401
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["cache-control"] == "no-store"
            assert (answer.json()["code"], answer.json()["status"]) == (code, 401)
            assert "x.y.z" not in answer.text
        # RFC 6750 §3.1: who sent no token is told no error.
        assert missing.headers["www-authenticate"] == "Bearer"
        assert bad.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_what_cannot_be_judged_is_refused_for_a_moment(
    issuer: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatepost_client.gatepost.READY_SECONDS", 0.1)
    issuer.answer_jwks = saying(b"", 503)
    async with Gatepost(issuer.url, when_unknown="trust") as gatepost, client(gatepost) as shop:
        answer = await shop.get("/", headers=bearer(issuer.token()))
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        assert "www-authenticate" not in answer.headers


NOT_ONE_TOKEN: dict[str, Callable[[str], list[tuple[str, str]]]] = {
    "two headers": lambda t: [("authorization", f"Bearer {t}")] * 2,
    "another scheme first": lambda t: [
        ("authorization", "Basic eDp5"),
        ("authorization", f"Bearer {t}"),
    ],
    "another scheme": lambda t: [("authorization", f"Basic {t}")],
    "no scheme": lambda t: [("authorization", t)],
    "an empty header": lambda _: [("authorization", "")],
    "a scheme alone": lambda _: [("authorization", "Bearer")],
    "in the cookie": lambda t: [("cookie", f"token={t}; authorization=Bearer {t}")],
    "in another header": lambda t: [("x-authorization", f"Bearer {t}")],
}


@pytest.mark.parametrize("what", NOT_ONE_TOKEN)
async def test_a_token_anywhere_else_is_no_token(issuer: StandIn, what: str) -> None:
    async with Gatepost(issuer.url, when_unknown="trust") as gatepost, client(gatepost) as shop:
        token = issuer.token()
        assert (await shop.get("/", headers=NOT_ONE_TOKEN[what](token))).status_code == 401
        assert (await shop.get(f"/?access_token={token}")).status_code == 401


async def test_only_the_exempt_paths_as_they_are_spelled_need_no_token(issuer: StandIn) -> None:
    async with (
        Gatepost(issuer.url, when_unknown="trust") as gatepost,
        client(gatepost, exempt=["/health"]) as shop,
    ):
        assert (await shop.get("/health?x")).text == "nobody"
        # Whatever is shown there is not looked at, so that nobody takes it for checked.
        assert (await shop.get("/health", headers=bearer(issuer.token()))).text == "nobody"
        others = "/health/", "/healthx", "//health", "/HEALTH", "/health;x", "/health%20", "/"
        for path in others:
            assert (await shop.get(path)).status_code == 401, path


async def test_where_none_is_required_a_bad_token_is_refused_all_the_same(issuer: StandIn) -> None:
    async with (
        Gatepost(issuer.url, when_unknown="trust") as gatepost,
        client(gatepost, required=False) as shop,
    ):
        assert (await shop.get("/")).text == "nobody"
        token = issuer.token()
        assert (await shop.get("/", headers=bearer(token))).text == said_by(token)["sub"]
        assert (await shop.get("/", headers=bearer(token[:-5] + "AAAAA"))).status_code == 401


async def test_nobody_is_a_caller_where_the_middleware_is_not(issuer: StandIn) -> None:
    with pytest.raises(LookupError):
        maybe_caller_of({"type": "http"})
    with pytest.raises(LookupError):
        caller_of({"type": "http", "gatepost.caller": None})
    guarded: Any = GatepostMiddleware(tells_who, Gatepost(issuer.url, when_unknown="trust"))
    with pytest.raises(RuntimeError):
        await guarded({"type": "telepathy"}, None, None)
