"""Introspection and revocation: services learn what a token is worth, and strangers nothing."""

from __future__ import annotations

import asyncio
import os
import pwd
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import jwt
import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person, member
from tests.service_process import ServiceProcess
from tests.user_service.services import OtherService, command, registered

INACTIVE = b'{"active":false}'
Tokens = dict[str, Any]


@pytest.fixture(scope="module")
def billing(corner: Corner, service: ServiceProcess) -> OtherService:
    return registered(corner, service)


@pytest.fixture(scope="module")
def somebody(service: ServiceProcess, mailroom: Mailroom) -> Person:
    return asyncio.run(member(service, mailroom, username="intro.spected"))


def _log_in(service: ServiceProcess, person: Person) -> Tokens:
    answer = httpx.post(
        f"{service.url}/api/auth/login",
        json=person.credentials(),
        headers={"x-forwarded-for": person.network},
    )
    data: Tokens = answer.json()["data"]
    return data


def _refresh(service: ServiceProcess, token: str) -> httpx.Response:
    return httpx.post(f"{service.url}/api/auth/refresh", json={"refresh_token": token})


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_an_access_token_is_described(
    service: ServiceProcess, somebody: Person, billing: OtherService
) -> None:
    token = _log_in(service, somebody)["token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    for hint in ("access_token", "refresh_token", "anything"):
        answer = billing.introspect(token, token_type_hint=hint)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json() == {
            "active": True,
            "token_type": "Bearer",
            "username": "intro.spected",
            **claims,
        }


def test_a_refresh_token_is_described_for_nobody_but_us_to_accept(
    service: ServiceProcess, somebody: Person, billing: OtherService
) -> None:
    opened = _log_in(service, somebody)
    claims = jwt.decode(opened["token"], options={"verify_signature": False})
    described = billing.introspect(opened["refresh_token"]).json()
    assert 7 * 86400 <= described.pop("exp") - described.pop("iat") <= 30 * 86400
    assert described == {
        "active": True,
        "token_type": "refresh_token",
        "username": "intro.spected",
        "sub": claims["sub"],
        "sid": claims["sid"],
        "iss": claims["iss"],
        "aud": claims["iss"],
    }


def test_introspecting_a_refresh_token_does_not_use_it(
    service: ServiceProcess, corner: Corner, somebody: Person, billing: OtherService
) -> None:
    first = _log_in(service, somebody)["refresh_token"]
    second = _refresh(service, first).json()["data"]["refresh_token"]
    corner.rows("UPDATE sessions SET refreshes = '{}'")  # the grace has passed
    assert billing.introspect(first).content == INACTIVE
    assert billing.introspect(second).json()["active"] is True
    assert _refresh(service, second).status_code == 200


@pytest.mark.parametrize(
    "token", ["x", ".", "..", "a.b.c", "é", "\0", "A" * 112, "x" * 15_000, "." * 5000, "null"]
)
def test_any_other_text_is_not_active_and_nothing_to_revoke(
    billing: OtherService, token: str
) -> None:
    assert billing.introspect(token).content == INACTIVE
    answer = billing.revoke(token)
    assert (answer.status_code, answer.content) == (200, b"{}")


ENDINGS: dict[str, str] = {
    "session ended": "UPDATE sessions SET ended_at = now() WHERE account_id = $1::uuid",
    "session expired": "UPDATE sessions SET expires_at = now() WHERE account_id = $1::uuid",
    "session gone": "DELETE FROM sessions WHERE account_id = $1::uuid",
    "account disabled": "UPDATE accounts SET status = 'disabled' WHERE id = $1::uuid",
    "account deleted": "DELETE FROM accounts WHERE id = $1::uuid",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_both_tokens_end_with_their_session_and_account(
    service: ServiceProcess, corner: Corner, mailroom: Mailroom, billing: OtherService, ending: str
) -> None:
    person = asyncio.run(member(service, mailroom))
    opened = _log_in(service, person)
    tokens = opened["token"], opened["refresh_token"]
    assert all(billing.introspect(token).json()["active"] for token in tokens)
    corner.rows(ENDINGS[ending], opened["user"]["id"])
    assert [billing.introspect(token).content for token in tokens] == [INACTIVE] * 2
    assert httpx.post(f"{service.url}/validate", headers=_bearer(tokens[0])).status_code == 401


def test_a_logged_out_token_is_inactive_at_once(
    service: ServiceProcess, somebody: Person, billing: OtherService
) -> None:
    token = _log_in(service, somebody)["token"]
    assert httpx.post(f"{service.url}/validate", headers=_bearer(token)).json()["valid"] is True
    assert httpx.post(f"{service.url}/api/auth/logout", headers=_bearer(token)).is_success
    assert billing.introspect(token).content == INACTIVE
    assert httpx.post(f"{service.url}/validate", headers=_bearer(token)).status_code == 401


@pytest.mark.parametrize("which", ["token", "refresh_token"])
def test_a_revoked_token_costs_its_session_and_no_other(
    service: ServiceProcess, corner: Corner, somebody: Person, billing: OtherService, which: str
) -> None:
    revoked, other = _log_in(service, somebody), _log_in(service, somebody)
    # Whichever service asks: those of one house may end any session.
    assert billing.revoke(revoked[which]).status_code == 200
    for token in (revoked["token"], revoked["refresh_token"]):
        assert billing.introspect(token).content == INACTIVE
    assert billing.introspect(other["token"]).json()["active"] is True
    assert _refresh(service, revoked["refresh_token"]).status_code == 401
    assert billing.revoke(revoked[which]).status_code == 200
    entries = corner.rows(
        "SELECT action, actor, outcome FROM audit WHERE actor_id = $1 AND account_id = $2::uuid"
        " ORDER BY id DESC",
        billing.id,
        revoked["user"]["id"],
    )
    assert tuple(entries[0]) == ("sessions_ended", "service", "done")
    events = corner.rows(
        "SELECT payload FROM outbox WHERE topic = 'sessions_revoked' AND key = $1",
        revoked["user"]["id"],
    )
    sid = jwt.decode(revoked["token"], options={"verify_signature": False})["sid"]
    assert [event["payload"] for event in events if sid in event["payload"]]


def test_giving_up_a_spent_refresh_token_ends_its_session_too(
    service: ServiceProcess, somebody: Person, billing: OtherService
) -> None:
    """Whoever logs out with a token whose successor was lost on the way means the session."""
    first = _log_in(service, somebody)["refresh_token"]
    second = _refresh(service, first).json()["data"]
    assert billing.revoke(first).content == b"{}"
    for token in (second["token"], second["refresh_token"]):
        assert billing.introspect(token).content == INACTIVE


# -- Who asks -------------------------------------------------------------------------------------


def _basic(text: str | bytes) -> dict[str, str]:
    raw = text.encode() if isinstance(text, str) else text
    return {"authorization": f"Basic {b64encode(raw).decode()}"}


STRANGERS: dict[str, Callable[[OtherService], dict[str, str]]] = {
    "nobody": lambda _: {},
    "a wrong secret": lambda c: _basic(f"{c.id}:{c.secret[:-1]}"),
    "a longer secret": lambda c: _basic(f"{c.id}:{c.secret}x"),
    "no secret": lambda c: _basic(f"{c.id}:"),
    "no colon": lambda c: _basic(c.id + c.secret),
    "no name": lambda c: _basic(f":{c.secret}"),
    "another's name": lambda c: _basic(f"nobody:{c.secret}"),
    "a name in capitals": lambda c: _basic(f"{c.id.upper()}:{c.secret}"),
    "a name with a nul": lambda c: _basic(f"{c.id}\0:{c.secret}"),
    "a name with a line": lambda c: _basic(f"{c.id}\n:{c.secret}"),
    "a statement": lambda c: _basic(f"' or 1=1--:{c.secret}"),
    "no utf-8": lambda c: _basic(c.id.encode() + b":\xff\xfe"),
    "escaped nonsense": lambda c: _basic(f"{c.id}:%ff%fe%00"),
    "a long name": lambda c: _basic(f"{'n' * 5000}:{c.secret}"),
    "no base64": lambda c: {"authorization": "Basic !!!"},
    "an empty header": lambda c: {"authorization": ""},
    "not ascii": lambda c: {"authorization": "Basic é".encode().decode("latin-1")},
    "a bearer": lambda c: {"authorization": f"Bearer {c.secret}"},
}


@pytest.mark.parametrize("path", ["/introspect", "/revoke"])
@pytest.mark.parametrize("who", STRANGERS)
def test_strangers_learn_and_end_nothing(
    service: ServiceProcess, somebody: Person, billing: OtherService, who: str, path: str
) -> None:
    token = _log_in(service, somebody)["token"]
    headers = {
        name.encode(): value.encode("latin-1") for name, value in STRANGERS[who](billing).items()
    }
    answer = httpx.post(service.url + path, data={"token": token}, headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert billing.introspect(token).json()["active"] is True


def test_a_users_own_token_opens_neither_door(
    service: ServiceProcess, somebody: Person, billing: OtherService
) -> None:
    token = _log_in(service, somebody)["token"]
    for path in ("/introspect", "/revoke"):
        answer = httpx.post(service.url + path, data={"token": token}, headers=_bearer(token))
        assert answer.status_code == 401


def test_credentials_may_come_in_the_form_but_not_twice(
    service: ServiceProcess, somebody: Person, billing: OtherService
) -> None:
    token = _log_in(service, somebody)["token"]
    form = {"token": token, "client_id": billing.id, "client_secret": billing.secret}
    assert httpx.post(f"{service.url}/introspect", data=form).json()["active"] is True
    wrong = form | {"client_secret": billing.secret + "x"}
    assert httpx.post(f"{service.url}/introspect", data=wrong).status_code == 401
    both = httpx.post(f"{service.url}/introspect", data=form, auth=(billing.id, billing.secret))
    assert (both.status_code, both.json()["error"]) == (400, "invalid_request")


def test_basic_credentials_may_be_escaped_as_in_a_form(
    service: ServiceProcess, somebody: Person, billing: OtherService
) -> None:
    token = _log_in(service, somebody)["token"]
    escaped = "".join(f"%{ord(letter):02X}" for letter in billing.id)
    for id in (escaped, quote(billing.id)):
        headers = _basic(f"{id}:{billing.secret}")
        answer = httpx.post(f"{service.url}/introspect", data={"token": token}, headers=headers)
        assert answer.json()["active"] is True


def test_a_removed_client_is_refused_within_seconds(
    service: ServiceProcess, corner: Corner, somebody: Person
) -> None:
    other = registered(corner, service)
    token = _log_in(service, somebody)["token"]
    assert other.introspect(token).json()["active"] is True
    assert command(corner, "clients", "remove", other.id).returncode == 0
    asyncio.run(asyncio.sleep(5.5))
    assert other.introspect(token).status_code == 401


def test_wrong_credentials_are_never_remembered(
    service: ServiceProcess, corner: Corner, somebody: Person
) -> None:
    other = registered(corner, service)
    token = _log_in(service, somebody)["token"]
    for _ in range(3):
        assert other.introspect(token).json()["active"] is True
        wrong = OtherService(other.id, other.secret + "x", other.url)
        assert wrong.introspect(token).status_code == 401


def test_postgres_keeps_a_digest_of_the_secret_only(corner: Corner, billing: OtherService) -> None:
    (row,) = corner.rows("SELECT * FROM clients WHERE id = $1", billing.id)
    assert len(row["secret_digest"]) == 32
    assert billing.secret not in repr(row)
    listed = command(corner, "clients", "list", "--json").stdout
    assert billing.id in listed
    assert billing.secret not in listed
    assert billing.secret not in command(corner, "clients", "list").stdout


def test_it_is_written_down_who_let_a_service_in_and_shut_it_out(
    service: ServiceProcess, corner: Corner
) -> None:
    other = registered(corner, service)
    assert command(corner, "clients", "add", other.id).returncode == 1
    assert command(corner, "clients", "remove", other.id).returncode == 0
    assert command(corner, "clients", "remove", other.id).returncode == 1
    query = "SELECT account_id, actor, actor_id, action FROM audit WHERE detail = $1 ORDER BY id"
    operator = pwd.getpwuid(os.getuid()).pw_name
    assert [tuple(row) for row in corner.rows(query, other.id)] == [
        (None, "operator", operator, "client_added"),
        (None, "operator", operator, "client_removed"),
    ]


def test_the_command_line_refuses_what_cannot_be(corner: Corner, billing: OtherService) -> None:
    for arguments, said in (
        (("add", billing.id), "already"),
        (("add", "No Spaces"), "NAME"),
        (("remove", "nobody-at-all"), "no client"),
    ):
        done = command(corner, "clients", *arguments)
        assert done.returncode != 0
        assert said in done.stderr
