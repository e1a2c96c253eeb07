"""Whatever is sent to change an account: refused by name, and never an error of ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import PASSWORD
from tests.service_process import ServiceProcess
from tests.unlimited import UNLIMITED
from tests.user_service.moving import Mover

pytestmark = pytest.mark.anyio

PROFILE = "/api/auth/profile"
Call = tuple[str, str]
EDIT, DELETE = ("PATCH", PROFILE), ("DELETE", PROFILE)
CHANGE_PASSWORD, CHANGE_EMAIL, VERIFY = (
    ("POST", f"/api/auth/{name}")
    for name in ("change-password", "change-email", "change-email/verify")
)
VALID: dict[Call, dict[str, str]] = {
    EDIT: {"name": "Ann Lee", "username": "annlee"},
    DELETE: {"password": PASSWORD},
    CHANGE_PASSWORD: {"current_password": PASSWORD, "new_password": "velvet anchor ninety"},
    CHANGE_EMAIL: {"new_email": "ann.lee@example.org", "password": PASSWORD},
    VERIFY: {"otp": "123456", "change_id": "r" * 32},
}
CALLS = [pytest.param(call, id=" ".join(call)) for call in VALID]
FIELDS = [
    pytest.param(call, field, id=f"{' '.join(call)} {field}")
    for call, body in VALID.items()
    for field in body
]
OF_OTHER_TYPES: list[Any] = [123456, 0, 1.5, True, False, [], ["123456"], {}, {"a": "b"}]
NO_JSON = (b"[" * 8000, b'{"name":"\xff"}', b"{", b"{}{}", b"\0", b'{"password":NaN}')
NO_OBJECT = (b"", b"null", b"[]", b"1", b'"text"')


@pytest.fixture(scope="module")
def unlimited(corner: Corner) -> Iterator[ServiceProcess]:
    with ServiceProcess.started(corner.variables, **UNLIMITED) as service:
        yield service
        assert not service.errors


@pytest.fixture
async def mover(unlimited: ServiceProcess, mailroom: Mailroom) -> Mover:
    return await Mover.ready(unlimited, mailroom)


async def send(
    client: httpx.AsyncClient, mover: Mover, call: Call, body: bytes | dict[str, Any]
) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {**mover.headers, "content-type": "application/json"}
    return await client.request(*call, content=content, headers=headers)


def refused_fields(answer: httpx.Response) -> set[str]:
    return {error["field"] for error in answer.json().get("errors", [])}


@pytest.mark.parametrize("call", CALLS)
async def test_a_body_that_is_no_json_object_is_refused(
    unlimited: ServiceProcess, mover: Mover, call: Call
) -> None:
    async with unlimited.client() as client:
        for body in NO_JSON:
            answer = await send(client, mover, call, body)
            assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body"), body
        for body in NO_OBJECT:
            answer = await send(client, mover, call, body)
            assert (answer.status_code, refused_fields(answer)) == (400, {"body"}), body
        form = await client.request(
            *call, content=b"password=x", headers={**mover.headers, "content-type": "text/plain"}
        )
        assert form.status_code == 415


@pytest.mark.parametrize(("call", "field"), FIELDS)
async def test_a_field_of_another_type_or_with_a_surrogate_is_refused(
    unlimited: ServiceProcess, mover: Mover, call: Call, field: str
) -> None:
    async with unlimited.client() as client:
        for value in OF_OTHER_TYPES:
            answer = await send(client, mover, call, {**VALID[call], field: value})
            assert (answer.status_code, refused_fields(answer)) == (400, {field}), value
        text = json.dumps({**VALID[call], field: "SURROGATE"}).replace("SURROGATE", "abc\\ud83d")
        assert (await send(client, mover, call, text.encode())).status_code == 400


@pytest.mark.parametrize(
    ("call", "field"),
    [(EDIT, "name"), (EDIT, "username"), (CHANGE_EMAIL, "new_email"), (VERIFY, "change_id")],
)
async def test_a_nul_is_refused_in_every_field_that_reaches_postgres(
    unlimited: ServiceProcess, mover: Mover, call: Call, field: str
) -> None:
    valid = VALID[call][field]
    async with unlimited.client() as client:
        for value in (f"{valid}\0", f"\0{valid}", valid[:1] + "\0" + valid[2:]):
            answer = await send(client, mover, call, {**VALID[call], field: value})
            assert (answer.status_code, refused_fields(answer)) == (400, {field}), value


@pytest.mark.parametrize("call", CALLS)
async def test_an_unknown_field_is_refused_by_name(
    unlimited: ServiceProcess, mover: Mover, call: Call
) -> None:
    async with unlimited.client() as client:
        for field in ("role", "user_id", "id", "__proto__", "Password", "x" * 999):
            answer = await send(client, mover, call, {**VALID[call], field: True})
            assert (answer.status_code, refused_fields(answer)) == (400, {field}), field
        assert (await client.get(PROFILE, headers=mover.headers)).status_code == 200


@pytest.mark.parametrize("call", CALLS)
async def test_a_page_of_another_origin_changes_nothing(
    unlimited: ServiceProcess, mover: Mover, call: Call
) -> None:
    async with unlimited.client() as client:
        headers = {**mover.headers, "origin": "https://evil.example"}
        answer = await client.request(*call, json=VALID[call], headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "origin_refused")
        assert (await client.get(PROFILE, headers=mover.headers)).status_code == 200


async def test_a_nul_in_a_new_password_does_not_end_it(
    unlimited: ServiceProcess, mover: Mover
) -> None:
    async with unlimited.client() as client:
        new = "velvet anchor\0ninety"
        body = {"current_password": mover.person.password, "new_password": new}
        assert (await send(client, mover, CHANGE_PASSWORD, body)).status_code == 200
        for password, status in (("velvet anchor", 403), ("velvet anchor\0other", 403), (new, 200)):
            answer = await send(client, mover, DELETE, {"password": password})
            assert answer.status_code == status, password
