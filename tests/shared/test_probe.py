"""What a daemon shows of itself, and to whom."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

from shared.probe import Probe

pytestmark = pytest.mark.anyio


async def well() -> str | None:
    return None


async def ill() -> str | None:
    return "has a cold"


async def hung() -> str | None:
    await asyncio.sleep(60)
    return None


async def broken() -> str | None:
    raise OSError("no route")


def probe(token: str = "", *, development: bool = True) -> Probe:
    registry = CollectorRegistry()
    Counter("mails", "Mails.", registry=registry).inc()
    return Probe(
        parts={"kafka": well, "redis": ill, "key": broken},
        needed=frozenset({"kafka"}),
        registry=registry,
        metrics_token=token,
        development=development,
    )


async def get(probe: Probe, path: str, token: str = "") -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with probe.serve("127.0.0.1", 0) as port, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{port}{path}"
        async with session.get(url, headers=headers) as answer:
            return answer.status, await answer.text()


async def test_health_names_what_is_wrong_and_readiness_asks_only_for_what_is_needed() -> None:
    status, text = await get(probe(), "/health")
    assert (status, '"degraded"' in text) == (200, True)
    assert "has a cold" in text
    assert "OSError: no route" in text
    assert (await get(probe(), "/health/ready"))[0] == 200


async def test_readiness_fails_when_a_needed_part_is_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shared.probe.CHECK_SECONDS", 0.1)
    needs = Probe({"kafka": hung}, frozenset({"kafka"}), CollectorRegistry(), "", True)

    status, text = await get(needs, "/health/ready")
    assert (status, "no answer in time" in text) == (503, True)
    assert (await get(needs, "/health/live"))[0] == 200


@pytest.mark.parametrize(
    ("configured", "development", "given", "status"),
    [
        ("", True, "", 200),
        ("", False, "", 404),
        ("", False, "anything", 404),
        ("token", False, "", 401),
        ("token", False, "tökén", 401),
        ("token", True, "wrong", 401),
        ("token", False, "token", 200),
    ],
)
async def test_metrics_are_for_those_who_have_the_token(
    configured: str, development: bool, given: str, status: int
) -> None:
    answered, text = await get(probe(configured, development=development), "/metrics", given)

    assert answered == status
    assert ("mails_total 1.0" in text) == (status == 200)


async def test_many_who_ask_at_once_put_one_question_to_each_part() -> None:
    asked = 0

    async def counted() -> str | None:
        nonlocal asked
        asked += 1
        return None

    watched = probe()
    watched.parts = {"kafka": counted}
    async with watched.serve("127.0.0.1", 0) as port, aiohttp.ClientSession() as session:

        async def ask(path: str) -> int:
            async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
                return answer.status

        paths = ("/health", "/health/ready") * 20
        assert set(await asyncio.gather(*map(ask, paths))) == {200}
    assert asked == 1
