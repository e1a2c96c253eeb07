"""What holds for every answer: headers, request ids, methods, origins, and who reads metrics."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.corner import Corner
from tests.people import Person
from tests.raw_socket import exchange
from tests.service_process import ServiceProcess

pytestmark = pytest.mark.anyio

APP = "https://app.example.org"
BASE = "https://auth.example.org"
METRICS_TOKEN = "4b7d0f6a1c93e25884d6b7f0a92c13e5"
EVERYWHERE = {
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
}
STRICT_POLICY = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"
ANSWERS = [
    ("GET", "/health", 200),
    ("GET", "/docs", 200),
    ("GET", "/docs/openapi.json", 200),
    ("GET", "/docs/assets/swagger-ui.css", 200),
    ("GET", "/.well-known/jwks.json", 200),
    ("GET", "/nowhere", 404),
    ("GET", "/docs/assets/nothing", 404),
    ("GET", "/api/auth/login", 405),
    ("GET", "/v1/me", 401),
    ("POST", "/api/auth/login", 400),
    ("POST", "/api/auth/register", 400),
    ("POST", "/nowhere", 404),
    ("OPTIONS", "/api/auth/login", 204),
]
PATHS = ("/api/auth/register", "/api/auth/login", "/v1/me", "/health", "/docs")


@pytest.fixture(scope="module")
def https(corner: Corner) -> Iterator[ServiceProcess]:
    """Behind https, called by pages of another origin, with a token for its metrics."""
    with ServiceProcess.started(
        corner.variables, PUBLIC_BASE_URL=BASE, CORS_ORIGINS=APP, METRICS_TOKEN=METRICS_TOKEN
    ) as service:
        yield service


@pytest.mark.parametrize(("method", "path", "status"), ANSWERS)
async def test_every_answer_carries_the_security_headers(
    https: ServiceProcess, service: ServiceProcess, method: str, path: str, status: int
) -> None:
    for one in (https, service):
        async with one.client() as client:
            body: dict[str, str] | None = {} if method == "POST" else None
            answer = await client.request(method, path, json=body)
        assert answer.status_code == status
        assert EVERYWHERE.items() <= dict(answer.headers).items()
        policy = answer.headers["content-security-policy"]
        assert policy == STRICT_POLICY or path in ("/docs", "/docs/openapi.json")
        assert "base-uri 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        hsts = answer.headers.get("strict-transport-security")
        assert hsts == ("max-age=31536000; includeSubDomains" if one is https else None)
        assert not re.search(r"\d", answer.headers.get("server", ""))


async def test_answers_that_the_edge_gives_itself_carry_them_too(https: ServiceProcess) -> None:
    async with https.client() as client:
        refused = [
            await client.post("/api/auth/login", content="x"),
            await client.post("/api/auth/login", json={}, headers={"origin": "https://evil.tld"}),
        ]
    assert [answer.status_code for answer in refused] == [415, 403]
    for answer in refused:
        assert EVERYWHERE.items() <= dict(answer.headers).items()
        assert answer.headers["content-security-policy"] == STRICT_POLICY
        assert "strict-transport-security" in answer.headers
        assert answer.headers["cache-control"] == "no-store"


async def test_no_answer_but_public_files_may_be_stored(service: ServiceProcess) -> None:
    async with service.client() as client:
        for method, path, _ in ANSWERS:
            body: dict[str, str] | None = {} if method == "POST" else None
            answer = await client.request(method, path, json=body)
            public = answer.status_code == 200 and path.startswith(("/.well-known", "/docs/assets"))
            stored = answer.headers["cache-control"]
            assert stored.startswith("public") if public else stored == "no-store", path


async def test_answers_that_hold_something_private_are_not_stored(service: ServiceProcess) -> None:
    person = Person()
    async with service.client(person.network) as client:
        answer = await client.post("/api/auth/register", json=person.registration())
    assert answer.status_code == 202
    assert answer.headers["cache-control"] == "no-store"


async def test_the_docs_page_may_run_its_own_scripts_and_no_others(
    service: ServiceProcess,
) -> None:
    async with service.client() as client:
        page = await client.get("/docs")
        scripts = re.findall(r'(?:src|href)="([^"]*)"', page.text)
        assert scripts
        for script in scripts:
            assert script.startswith("/docs/")
            assert (await client.get(script)).status_code == 200
    assert "<script>" not in page.text
    policy = page.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "connect-src 'self';" in policy


@pytest.mark.parametrize("method", ["PUT", "TRACE", "PATCH", "DELETE", "CONNECTS"])
@pytest.mark.parametrize("path", PATHS)
async def test_a_method_that_a_path_does_not_answer_is_405_and_names_those_it_does(
    service: ServiceProcess, method: str, path: str
) -> None:
    async with service.client() as client:
        answer = await client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    allowed = set(answer.headers["allow"].split(", "))
    assert allowed == {"OPTIONS", "POST" if "auth" in path else "GET"}


async def test_trace_echoes_nothing(service: ServiceProcess) -> None:
    sent = b"TRACE / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer do-not-echo\r\n\r\n"
    answer = exchange(service, sent)
    assert answer.status in (404, 405)
    assert b"do-not-echo" not in answer.content


async def test_what_is_not_there_is_a_problem_like_any_other(service: ServiceProcess) -> None:
    async with service.client() as client:
        for path in (
            "/",
            "/nowhere",
            "/api/auth",
            "/api/auth/login/x",
            "/schema",
            "/docs/assets/a",
        ):
            answer = await client.get(path)
            assert answer.status_code == 404, path
            assert answer.headers["content-type"] == "application/problem+json"
            problem = answer.json()
            assert problem["code"] == "not_found"
            assert problem["status"] == 404
            assert problem["type"] == "urn:gatepost:problem:not_found"
            assert set(problem) == {"type", "title", "status", "detail", "code", "request_id"}


@pytest.mark.parametrize("path", ["..%2f..%2fapp.py", "%2e%2e/app.py", "%00", "%ff", "index.html"])
async def test_the_docs_serve_their_own_files_only(service: ServiceProcess, path: str) -> None:
    answer = exchange(service, f"GET /docs/assets/{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert answer.status == 404


async def _logged(service: ServiceProcess, ids: set[str]) -> list[dict[str, Any]]:
    """The lines about these requests: each is written just after its answer was sent."""
    deadline = time.monotonic() + 5
    while True:
        lines = [line for line in service.lines if line.get("request_id") in ids]
        if len(lines) >= len(ids) or time.monotonic() > deadline:
            return lines
        await asyncio.sleep(0.02)


# -- request ids ---------------------------------------------------------------------------------


async def test_a_request_id_is_in_the_answer_the_problem_and_the_log(
    service: ServiceProcess,
) -> None:
    async with service.client() as client:
        answers = [
            await client.get("/health/live"),
            await client.get("/nowhere"),
            await client.post("/api/auth/login", content="x"),
        ]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert len(set(ids)) == 3
    assert [answer.json().get("request_id") for answer in answers] == [None, ids[1], ids[2]]
    lines = await _logged(service, set(ids))
    assert [line["status"] for line in lines] == [200, 404, 415]


async def test_a_caller_may_bring_a_request_id_of_its_own(service: ServiceProcess) -> None:
    async with service.client() as client:
        answer = await client.get("/nowhere", headers={"x-request-id": "follow-me_0123456789"})
    assert answer.headers["x-request-id"] == "follow-me_0123456789"
    assert answer.json()["request_id"] == "follow-me_0123456789"


@pytest.mark.parametrize(
    "given",
    ["short", "a" * 65, 'x"},{"event":"login', "a b c d e f g", "ünïcödé-ids", "", "<b>12345678"],
)
async def test_a_request_id_that_could_forge_a_line_is_replaced(
    service: ServiceProcess, given: str
) -> None:
    async with service.client() as client:
        answer = await client.get("/nowhere", headers={b"x-request-id": given.encode()})
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])


async def test_every_request_writes_one_line_and_no_query(service: ServiceProcess) -> None:
    async with service.client("198.51.100.7") as client:
        read = await client.get("/v1/me?token=do-not-log-me", headers={"cookie": "do-not-log-me"})
        sent = await client.post("/api/auth/login", json={'x\n{"event":"forged"}': "do-not-log-me"})
    ids = {answer.headers["x-request-id"] for answer in (read, sent)}
    lines = await _logged(service, ids)
    assert [line["event"] for line in lines] == ["request", "request"]
    assert [line["path"] for line in lines] == ["/v1/me", "/api/auth/login"]
    assert [line["code"] for line in lines] == ["token_rejected", "invalid_request"]
    assert [line["address"] for line in lines] == ["198.51.100.7"] * 2
    assert all(line["time"].endswith("Z") for line in lines)
    assert "do-not-log-me" not in service.log
    assert "forged" not in service.log


# -- origins -------------------------------------------------------------------------------------


async def _preflight(service: ServiceProcess, origin: str, method: str = "POST") -> httpx.Response:
    asked = {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": "content-type, authorization",
    }
    async with service.client() as client:
        return await client.options("/api/auth/login", headers=asked)


async def test_pages_of_a_listed_origin_may_call(https: ServiceProcess) -> None:
    asked = await _preflight(https, APP)
    assert asked.status_code == 204
    assert asked.headers["access-control-allow-origin"] == APP
    assert "POST" in asked.headers["access-control-allow-methods"]
    allowed = asked.headers["access-control-allow-headers"].lower()
    assert "authorization" in allowed
    assert "content-type" in allowed
    async with https.client(origin=APP) as client:
        for answer in (
            await client.post("/api/auth/login", json={}),
            await client.get("/v1/me"),
            await client.get("/nowhere"),
            await client.get("/health/live"),
        ):
            assert answer.headers["access-control-allow-origin"] == APP
            assert answer.headers["access-control-allow-credentials"] == "true"
            assert "retry-after" in answer.headers["access-control-expose-headers"]
            assert "origin" in answer.headers["vary"].lower()


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.tld",
        "null",
        "http://app.example.org",
        "https://app.example.org.evil.tld",
        "https://app.example.org:8443",
        "https://evilapp.example.org",
        "https://appXexample.org",
        "https://app.example.org/",
        "",
    ],
)
async def test_pages_of_any_other_origin_may_not(https: ServiceProcess, origin: str) -> None:
    assert "access-control-allow-origin" not in (await _preflight(https, origin)).headers
    async with https.client(origin=origin) as client:
        refused = await client.post("/api/auth/login", json={})
        read = await client.get("/health/live")
    assert (refused.status_code, refused.json()["code"]) == (403, "origin_refused")
    assert "access-control-allow-origin" not in refused.headers
    assert "access-control-allow-origin" not in read.headers


async def test_without_the_setting_no_other_origin_may_call(service: ServiceProcess) -> None:
    answer = await _preflight(service, APP)
    assert "access-control-allow-origin" not in answer.headers
    async with service.client(origin=APP) as client:
        assert (await client.post("/api/auth/login", json={})).status_code == 403


async def test_our_own_pages_may_call(https: ServiceProcess) -> None:
    async with https.client(origin=BASE) as client:
        assert (await client.post("/api/auth/login", json={})).status_code == 400


# -- metrics -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer wrong",
        f"Bearer {METRICS_TOKEN[:-1]}",
        f"Bearer {METRICS_TOKEN}x",
        METRICS_TOKEN,
        f"Basic {METRICS_TOKEN}",
        f"Bearer {METRICS_TOKEN.upper()}",
        "Bearer \u00fc",
    ],
)
async def test_metrics_need_their_token(https: ServiceProcess, authorization: str | None) -> None:
    headers = {} if authorization is None else {b"authorization": authorization.encode()}
    async with https.client() as client:
        answer = await client.get("/metrics", headers=headers)
    assert answer.status_code == 401
    assert "gatepost_requests" not in answer.text


async def test_metrics_count_by_route_and_never_by_url(https: ServiceProcess) -> None:
    async with https.client() as client:
        await client.get("/docs/assets/one-of-very-many")
        await client.get("/one-of-very-many")
        bearer = {"authorization": f"Bearer {METRICS_TOKEN}"}
        answer = await client.get("/metrics", headers=bearer)
    assert answer.status_code == 200
    assert 'path="/docs/assets/{name}"' in answer.text
    assert 'path="unmatched"' in answer.text
    assert "one-of-very-many" not in answer.text


async def test_without_a_token_metrics_are_shown_in_development_only(
    service: ServiceProcess, production: ServiceProcess
) -> None:
    async with service.client() as client:
        assert (await client.get("/metrics")).status_code == 200
    async with production.client() as client:
        answer = await client.get("/metrics", headers={"authorization": "Bearer"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.fixture(scope="module")
def production(corner: Corner) -> Iterator[ServiceProcess]:
    with ServiceProcess.started(
        corner.variables,
        ENVIRONMENT="production",
        PUBLIC_BASE_URL=BASE,
        HOST="127.0.0.1",
        ARGON2_MEMORY_KIB="19456",
        ARGON2_TIME="2",
    ) as service:
        yield service


async def test_idle_connections_keep_nobody_out(service: ServiceProcess) -> None:
    """By the server's default a thousand of them did, for half a minute."""
    idle = [await asyncio.open_connection("127.0.0.1", service.port) for _ in range(1_100)]
    try:
        for _, writer in idle:
            writer.write(b"GET /health/live HTTP/1.1\r\n")
        async with service.client() as client:
            began = time.monotonic()
            assert (await client.get("/health/live")).status_code == 200
            assert time.monotonic() - began < 3
    finally:
        for _, writer in idle:
            writer.close()
