"""GET /api/users/by-clerk-id/{id}: services and administrators learn whom a Clerk user is here."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from uuid import UUID

import httpx
import pytest

from tests.corner import Corner
from tests.faults.house import until
from tests.mailroom import Mailroom
from tests.service_process import ServiceProcess, logged
from tests.user_service.accounts import link, settled
from tests.user_service.admins import Account, account, admin, audited
from tests.user_service.services import OtherService, registered

PATH = "/api/users/by-clerk-id/"


@pytest.fixture(scope="module")
def billing(corner: Corner, service: ServiceProcess) -> OtherService:
    return registered(corner, service)


@pytest.fixture(scope="module")
def somebody(service: ServiceProcess, mailroom: Mailroom) -> Account:
    return asyncio.run(account(service, mailroom, name="Cleo Example", username="cleo.example"))


@pytest.fixture(scope="module")
def administrator(service: ServiceProcess, mailroom: Mailroom, corner: Corner) -> Account:
    return asyncio.run(admin(service, mailroom, corner))


@pytest.fixture(scope="module")
def clerk_id(corner: Corner, somebody: Account) -> str:
    return link(corner, somebody.id)


def _ask(service: ServiceProcess, clerk_id: str, authorization: str) -> httpx.Response:
    headers = {"authorization": authorization} if authorization else {}
    return httpx.get(service.url + PATH + clerk_id, headers=headers)


def _basic(text: str) -> str:
    return "Basic " + b64encode(text.encode()).decode()


def test_services_and_administrators_read_the_same(
    service: ServiceProcess,
    billing: OtherService,
    somebody: Account,
    administrator: Account,
    clerk_id: str,
) -> None:
    told = _ask(service, clerk_id, billing.basic)
    assert told.status_code == 200
    assert told.headers["cache-control"] == "no-store"
    user = told.json()["data"]["user"]
    assert user.pop("created_at")
    assert user == {
        "id": somebody.id,
        "name": "Cleo Example",
        "email": somebody.person.email,
        "username": "cleo.example",
        "status": "active",
    }
    bearer = administrator.headers["authorization"]
    assert _ask(service, clerk_id, bearer).json() == told.json()
    # RFC 9110 §11.1: the scheme's case does not matter.
    assert _ask(service, clerk_id, billing.basic.replace("Basic", "bASIC")).status_code == 200


def test_a_disabled_account_is_shown_as_one_and_the_log_tells_whose_was_asked_for(
    service: ServiceProcess, corner: Corner, billing: OtherService
) -> None:
    (other,) = asyncio.run(settled(corner, 1))
    clerk_id = link(corner, other)
    corner.rows("UPDATE accounts SET status = 'disabled' WHERE id = $1", UUID(other))
    answer = _ask(service, clerk_id, billing.basic)
    assert answer.json()["data"]["user"]["status"] == "disabled"
    asyncio.run(until(logged(service, other)))


def test_a_clerk_user_without_an_account_is_nobody(
    service: ServiceProcess,
    corner: Corner,
    billing: OtherService,
    administrator: Account,
    mailroom: Mailroom,
) -> None:
    deleted = asyncio.run(account(service, mailroom))
    clerk_id = link(corner, deleted.id)
    body = {"password": deleted.person.password}
    gone = httpx.request(
        "DELETE", f"{service.url}/api/auth/profile", json=body, headers=deleted.headers
    )
    assert gone.status_code == 200
    for id in (clerk_id, "user_2unknown", "x", "a" * 128):
        for who in (billing.basic, administrator.headers["authorization"]):
            answer = _ask(service, id, who)
            assert (answer.status_code, answer.json()["code"]) == (404, "no_such_user")


@pytest.mark.parametrize(
    "id", ["a" * 129, "user_%27%20or%201=1--", "user_a%00b", "user%2F..", "%20"]
)
def test_what_is_no_id_of_clerks_is_refused_before_anything_is_looked_up(
    service: ServiceProcess, billing: OtherService, id: str
) -> None:
    answer = _ask(service, id, billing.basic)
    assert answer.status_code in (400, 404)
    assert answer.json()["code"] in ("invalid_request", "not_found")


def test_nobody_else_learns_anything(
    service: ServiceProcess,
    billing: OtherService,
    somebody: Account,
    administrator: Account,
    clerk_id: str,
) -> None:
    token = administrator.tokens.access
    for authorization, status, code, challenge in (
        ("", 401, "token_rejected", "Bearer"),
        ("Bearer", 401, "token_rejected", "Bearer"),
        ("Bearer x.y.z", 401, "token_rejected", "Bearer"),
        (f"Digest {token}", 401, "token_rejected", "Bearer"),
        (somebody.headers["authorization"], 403, "admins_only", None),
        ("Basic", 401, "invalid_client", "Basic"),
        ("Basic !!!", 401, "invalid_client", "Basic"),
        (_basic("nothing"), 401, "invalid_client", "Basic"),
        (_basic(f"{billing.id}:wrong"), 401, "invalid_client", "Basic"),
        (_basic(f"{billing.id}:"), 401, "invalid_client", "Basic"),
        (_basic(f"{billing.id}\0:{billing.secret}"), 401, "invalid_client", "Basic"),
        (_basic(f"nobody:{billing.secret}"), 401, "invalid_client", "Basic"),
        (f"Bearer {billing.secret}", 401, "token_rejected", "Bearer"),
        (f"Basic {token}", 401, "invalid_client", "Basic"),
    ):
        for id in (clerk_id, "user_2unknown"):
            answer = _ask(service, id, authorization)
            assert (answer.status_code, answer.json()["code"]) == (status, code), authorization
            assert somebody.id not in answer.text
            if challenge:
                assert answer.headers["www-authenticate"].startswith(challenge)


def test_the_audit_tells_which_administrator_looked_and_no_service(
    service: ServiceProcess,
    corner: Corner,
    billing: OtherService,
    administrator: Account,
    mailroom: Mailroom,
) -> None:
    other = asyncio.run(account(service, mailroom))
    clerk_id = link(corner, other.id)
    before = asyncio.run(audited(corner, other.id))
    assert _ask(service, clerk_id, billing.basic).status_code == 200
    assert _ask(service, clerk_id, other.headers["authorization"]).status_code == 403
    assert asyncio.run(audited(corner, other.id)) == before
    assert _ask(service, clerk_id, administrator.headers["authorization"]).status_code == 200
    entry = ("inspected", "admin", administrator.id, "127.0.0.1")
    assert asyncio.run(audited(corner, other.id)) == [*before, entry]
