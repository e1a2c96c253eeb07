"""Bodies that are too big, broken, or of the wrong shape: refused plainly, and never a 500."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person, member, outcome, register, verify
from tests.process_usage import resident_mib
from tests.raw_socket import exchange
from tests.service_process import ServiceProcess
from tests.unlimited import UNLIMITED

pytestmark = pytest.mark.anyio

LARGEST_BODY = 16 * 1024
REGISTER, RESEND, VERIFY, LOGIN, RECOVER, RESET = (
    f"/api/auth/{name}"
    for name in (
        "register",
        "resend-otp",
        "verify-otp",
        "login",
        "password-recovery",
        "reset-password",
    )
)
POSTS = (REGISTER, RESEND, VERIFY, LOGIN, RECOVER, RESET)
JSON = {"content-type": "application/json"}
ID = "r" * 32
VALID: dict[str, dict[str, Any]] = {
    REGISTER: {
        "name": "Ann",
        "email": "hostile@example.org",
        "password": "plum kettle orbit",
        "username": "hostile",
    },
    RESEND: {"registration_id": ID},
    VERIFY: {"email": "hostile@example.org", "otp": "123456", "registration_id": ID},
    LOGIN: {"email": "hostile@example.org", "password": "plum kettle orbit"},
    RECOVER: {"email": "hostile@example.org"},
    RESET: {
        "email": "hostile@example.org",
        "otp": "123456",
        "recovery_id": ID,
        "new_password": "plum kettle orbit",
    },
}
OF_OTHER_TYPES: list[Any] = [123456, 0, 1.5, True, False, [], ["123456"], {}, {"a": "b"}]
FIELDS = [(path, field) for path, body in VALID.items() for field in body]


@pytest.fixture(scope="module")
def unlimited(corner: Corner) -> Iterator[ServiceProcess]:
    with ServiceProcess.started(corner.variables, **UNLIMITED) as service:
        yield service


def _short(value: object) -> str:
    return ascii(value)[:24]


async def _post(service: ServiceProcess, path: str, body: bytes) -> httpx.Response:
    async with service.client() as client:
        return await client.post(path, content=body, headers=JSON)


def _refused_fields(answer: httpx.Response) -> set[str]:
    return {error["field"] for error in answer.json().get("errors", [])}


def _head(path: str, length: bytes) -> bytes:
    lines = (b"POST %b HTTP/1.1" % path.encode(), b"Host: x", b"Content-Type: application/json")
    return b"\r\n".join((*lines, length, b"", b""))


@pytest.mark.parametrize("path", POSTS)
async def test_a_body_of_10_mb_is_refused_before_it_is_sent(
    unlimited: ServiceProcess, path: str
) -> None:
    answer = exchange(unlimited, _head(path, b"Content-Length: 10000000") + b'{"name":"')
    assert (answer.status, b"body_too_large" in answer.content) == (413, True)
    assert answer.seconds < 0.5


@pytest.mark.parametrize("path", POSTS)
async def test_a_body_without_a_length_is_refused_at_16_kib(
    unlimited: ServiceProcess, path: str
) -> None:
    chunk = b"1000\r\n" + b"a" * 4096 + b"\r\n"
    answer = exchange(unlimited, _head(path, b"Transfer-Encoding: chunked") + 5 * chunk)
    assert (answer.status, b"body_too_large" in answer.content) == (413, True)
    assert answer.seconds < 0.5


async def test_the_service_is_well_after_bodies_of_10_mb(unlimited: ServiceProcess) -> None:
    async with unlimited.client() as client:
        for _ in range(5):
            try:
                answer = await client.post(LOGIN, content=b"a" * 10_000_000, headers=JSON)
                assert answer.status_code == 413
            except httpx.TransportError:
                pass  # it hung up on us while we were still sending
        assert (await client.get("/health/live")).status_code == 200


async def test_16_kib_are_read_and_one_byte_more_is_not(unlimited: ServiceProcess) -> None:
    body = json.dumps(VALID[LOGIN]).encode()
    assert (await _post(unlimited, LOGIN, body.ljust(LARGEST_BODY))).status_code == 401
    assert (await _post(unlimited, LOGIN, body.ljust(LARGEST_BODY + 1))).status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 8000,
        b'{"name":' * 1600 + b"1" + b"}" * 1600,
        b'{"x":' + b"[" * 8000 + b"]" * 8000 + b"}",
        b'{"name":"\xff"}',
        b'{"name":"\xc0\x80"}',
        b'{"name":"\xed\xa0\x80"}',
        b'{"\xff":"name"}',
        b"\xef\xbb\xbf{}",
        json.dumps(VALID[LOGIN]).encode("utf-16"),
        b"{",
        b"{}{}",
        b"{'name':'Ann'}",
        b'{"name":NaN}',
        b"\0",
        b'{"name":"\x00"}',
    ],
    ids=_short,
)
@pytest.mark.parametrize("path", POSTS)
async def test_a_body_that_is_no_json_is_malformed(
    unlimited: ServiceProcess, path: str, body: bytes
) -> None:
    answer = await _post(unlimited, path, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"1", b'"text"', b"true", b"[{}]"], ids=_short
)
@pytest.mark.parametrize("path", POSTS)
async def test_a_body_that_is_no_object_is_refused_as_a_whole(
    unlimited: ServiceProcess, path: str, body: bytes
) -> None:
    answer = await _post(unlimited, path, body)
    assert answer.status_code == 400
    assert _refused_fields(answer) == {"body"}


@pytest.mark.parametrize(("path", "field"), FIELDS)
async def test_a_field_of_another_type_is_refused_by_name(
    unlimited: ServiceProcess, path: str, field: str
) -> None:
    async with unlimited.client() as client:
        for value in OF_OTHER_TYPES:
            answer = await client.post(path, json={**VALID[path], field: value})
            assert (answer.status_code, _refused_fields(answer)) == (400, {field}), value


@pytest.mark.parametrize(("path", "field"), FIELDS)
async def test_a_lone_surrogate_is_refused_in_every_field(
    unlimited: ServiceProcess, path: str, field: str
) -> None:
    async with unlimited.client() as client:
        for escape in ("\\ud800", "\\udc00", "\\udfff\\ud800", "abc\\ud83d"):
            text = json.dumps({**VALID[path], field: "SURROGATE"}).replace("SURROGATE", escape)
            answer = await client.post(path, content=text, headers=JSON)
            assert answer.status_code == 400, text


@pytest.mark.parametrize(("path", "field"), [pair for pair in FIELDS if "password" not in pair[1]])
async def test_a_nul_is_refused_in_every_field_that_reaches_postgres(
    unlimited: ServiceProcess, path: str, field: str
) -> None:
    valid = VALID[path][field]
    async with unlimited.client() as client:
        for value in (f"{valid}\0", f"\0{valid}", valid[:1] + "\0" + valid[2:], "\0" * len(valid)):
            answer = await client.post(path, json={**VALID[path], field: value})
            assert (answer.status_code, _refused_fields(answer)) == (400, {field}), value


async def test_a_login_by_username_refuses_a_nul(unlimited: ServiceProcess) -> None:
    async with unlimited.client() as client:
        answer = await client.post(LOGIN, json={"username": "abc\0", "password": "x"})
    assert (answer.status_code, _refused_fields(answer)) == (400, {"username"})


async def test_a_nul_in_a_password_does_not_end_it(
    unlimited: ServiceProcess, mailroom: Mailroom
) -> None:
    person = await member(unlimited, mailroom, password="plum kettle\0orbit")
    async with unlimited.client() as client:
        for password, status in (
            ("plum kettle", 401),
            ("plum kettle\0other", 401),
            ("plum kettle\0orbit", 200),
        ):
            body = {"email": person.email, "password": password}
            assert (await client.post(LOGIN, json=body)).status_code == status


@pytest.mark.parametrize(
    "otp",
    [
        123456,
        "１２３４５６",
        "١٢٣٤٥٦",
        " 123456",
        "123456 ",
        " 123456 ",
        "123456\n",
        "12345\n",
        "+12345",
        "12_345",
        "0x1e24",
        "12345",
        "1234567",
        "",
        None,
        True,
        ["123456"],
        {"otp": "123456"},
        '"123456"',
        '{"otp":"123456"}',
        "12345\u200b",
        "*",
    ],
    ids=_short,
)
async def test_an_otp_that_is_not_six_digits_is_refused_without_a_guess(
    unlimited: ServiceProcess, mailroom: Mailroom, otp: object
) -> None:
    person = Person()
    async with unlimited.client() as client:
        registration_id = await register(client, person)
        code = mailroom.code(registration_id)
        if isinstance(otp, str):  # the right code in a wrong dress
            otp = otp.replace("123456", code)
        body = {"email": person.email, "otp": otp, "registration_id": registration_id}
        for _ in range(6):
            answer = await client.post(VERIFY, json=body)
            assert (answer.status_code, _refused_fields(answer)) == (400, {"otp"})
        assert (await verify(client, person, registration_id, code)).status_code == 201


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "field",
    ["is_admin", "email_verified", "role", "id", "status", "__proto__", "Password", "x" * 999],
)
async def test_an_unknown_field_is_refused_by_name(
    unlimited: ServiceProcess, corner: Corner, path: str, field: str
) -> None:
    person = Person()
    body = {**VALID[path], field: True}
    if path == REGISTER:
        body["email"] = person.email
    async with unlimited.client() as client:
        answer = await client.post(path, json=body)
    assert (answer.status_code, _refused_fields(answer)) == (400, {field})


async def test_of_a_field_sent_twice_one_value_counts_everywhere(
    unlimited: ServiceProcess, mailroom: Mailroom
) -> None:
    first, second = Person(), Person()
    text = json.dumps(second.registration())
    doubled = '{"email":"' + first.email + '",' + text[1:]
    answer = await _post(unlimited, REGISTER, doubled.encode())
    assert answer.status_code == 202
    assert mailroom.about(answer.json()["data"]["registration_id"]).address == second.email
    assert mailroom.to(first.email) == []


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "text/json",
        "application/jsonx",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded; a=application/json",
        "application/problem+json",
        "application/msgpack",
    ],
)
async def test_a_body_of_another_content_type_is_415(
    unlimited: ServiceProcess, path: str, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    async with unlimited.client() as client:
        answer = await client.post(path, content=json.dumps(VALID[path]), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "not_json")


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-8", "Application/JSON", "application/json;charset=UTF-8"],
)
async def test_json_by_any_spelling_is_read(unlimited: ServiceProcess, content_type: str) -> None:
    async with unlimited.client() as client:
        body = json.dumps(VALID[LOGIN])
        answer = await client.post(LOGIN, content=body, headers={"content-type": content_type})
    assert answer.status_code == 401


async def test_a_body_that_breaks_off_is_the_callers_fault(unlimited: ServiceProcess) -> None:
    head = _head(LOGIN, b"Transfer-Encoding: chunked")
    answer = exchange(unlimited, head + b"zz\r\n\r\n")
    assert answer.status == 400
    assert b"malformed_body" in answer.content
    assert not [line for line in unlimited.lines if line.get("status") == 500]


async def test_a_very_long_header_is_refused(unlimited: ServiceProcess) -> None:
    head = b"GET /v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
    assert exchange(unlimited, head + b"a" * 10_000 + b"\r\n\r\n").status == 401
    assert exchange(unlimited, head + b"a" * 1_000_000 + b"\r\n\r\n").status in (0, 431)
    async with unlimited.client() as client:
        assert (await client.get("/health/live")).status_code == 200


async def test_an_endless_path_or_query_is_refused_and_not_remembered(
    unlimited: ServiceProcess,
) -> None:
    before = resident_mib(unlimited.process.pid)
    for number in range(150):
        for target in (
            f"/api/admin/users?{number}=" + "&".join(f"a{n}" for n in range(7_000)),
            f"/api/users/by-clerk-id/{number}" + "x" * 40_000,
        ):
            head = f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
            assert exchange(unlimited, head).status == 414
    assert resident_mib(unlimited.process.pid) - before < 30


async def test_cookies_of_a_stranger_are_neither_remembered_nor_costly(
    unlimited: ServiceProcess,
) -> None:
    async with unlimited.client() as client:
        began = time.monotonic()
        hard = {"cookie": 'other="' + "\\" * 20_000 + '"'}
        answer = await client.post("/api/auth/resend-otp", json={}, headers=hard)
        assert outcome(answer) == (400, "registration_id_required")
        assert time.monotonic() - began < 0.5
        before = resident_mib(unlimited.process.pid)
        for number in range(60):
            many = {"cookie": ";".join(f"{number}a{n}=" for n in range(5_000))}
            answer = await client.post("/api/auth/resend-otp", json={}, headers=many)
            assert outcome(answer) == (400, "registration_id_required")
        assert resident_mib(unlimited.process.pid) - before < 15


async def test_nothing_of_all_this_was_an_error_of_ours(unlimited: ServiceProcess) -> None:
    for body in (b"[" * 16000, b'{"name":"\xff"}', b'{"email":"\\ud800"}'):
        for path in POSTS:
            await _post(unlimited, path, body)
    assert not unlimited.errors
