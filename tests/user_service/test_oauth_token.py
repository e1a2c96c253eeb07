"""POST /token: the password and refresh_token grants, in the words of RFC 6749."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import PASSWORD, Person, fresh_address, fresh_network, log_in, member
from tests.service_process import ServiceProcess
from tests.user_service.services import registered

JWT_SECRET = "c81f0a7b52e94d3687aa15f0be6d2493"
FORM = {"content-type": "application/x-www-form-urlencoded"}
Outcome = tuple[int, str]


@pytest.fixture(scope="module")
def somebody(service: ServiceProcess, mailroom: Mailroom) -> Person:
    return asyncio.run(member(service, mailroom, username="token.holder"))


@pytest.fixture(scope="module")
def symmetric(corner: Corner) -> Iterator[ServiceProcess]:
    with ServiceProcess.started(corner.variables, JWT_SECRET=JWT_SECRET) as service:
        yield service


def _ask(service: ServiceProcess, form: Any, network: str | None = None) -> httpx.Response:
    """The answer to a form, or to a raw body of one."""
    sent: dict[str, Any] = {"data": form} if isinstance(form, dict) else {"content": form}
    headers = FORM | {"x-forwarded-for": network or fresh_network()}
    return httpx.post(f"{service.url}/token", headers=headers, timeout=10, **sent)


def _by_password(username: str, password: str = PASSWORD) -> dict[str, str]:
    return {"grant_type": "password", "username": username, "password": password}


def _outcome(answer: httpx.Response) -> Outcome:
    return answer.status_code, answer.json()["error"]


def test_a_password_gives_tokens_by_address_or_username(
    service: ServiceProcess, somebody: Person
) -> None:
    for username in (somebody.email, somebody.email.upper(), "token.holder"):
        answer = _ask(service, _by_password(username))
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["pragma"] == "no-cache"
        given = answer.json()
        assert given.keys() == {"access_token", "token_type", "expires_in", "refresh_token"}
        assert (given["token_type"], given["expires_in"]) == ("Bearer", 900)
        headers = {"authorization": f"Bearer {given['access_token']}"}
        profile = httpx.get(f"{service.url}/api/auth/profile", headers=headers)
        assert profile.json()["data"]["user"]["email"] == somebody.email
        validated = httpx.post(f"{service.url}/validate", headers=headers)
        assert validated.json() == {
            "sub": profile.json()["data"]["user"]["id"],
            "username": "token.holder",
            "valid": True,
        }


def test_a_refresh_token_gives_its_successor_and_replayed_it_costs_the_session(
    service: ServiceProcess, corner: Corner, somebody: Person
) -> None:
    def refresh(token: str) -> httpx.Response:
        return _ask(service, {"grant_type": "refresh_token", "refresh_token": token})

    first = _ask(service, _by_password(somebody.email)).json()["refresh_token"]
    second = refresh(first).json()["refresh_token"]
    assert refresh(first).json()["refresh_token"] == second  # a lost answer
    corner.rows("UPDATE sessions SET refreshes = '{}'")  # the grace has passed
    assert _outcome(refresh(first)) == (400, "invalid_grant")
    assert _outcome(refresh(second)) == (400, "invalid_grant")


def test_whoever_asks_for_a_scope_reads_that_there_is_none(
    service: ServiceProcess, somebody: Person
) -> None:
    asked = _by_password(somebody.email)
    assert _ask(service, asked | {"scope": "admin"}).json()["scope"] == ""
    assert "scope" not in _ask(service, asked | {"scope": ""}).json()


def test_what_is_not_known_is_ignored(service: ServiceProcess, somebody: Person) -> None:
    more = {"client_id": "app", "client_secret": "s", "is_admin": "true", "": "x"}
    assert _ask(service, _by_password(somebody.email) | more).status_code == 200


def test_wrong_passwords_unknown_and_disabled_people_are_refused_alike(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner, somebody: Person
) -> None:
    disabled = asyncio.run(member(service, mailroom))
    corner.rows("UPDATE accounts SET status = 'disabled' WHERE email = $1", disabled.email)
    answers = [
        _ask(service, _by_password(disabled.email)),
        _ask(service, _by_password(somebody.email, "not the password")),
        _ask(service, _by_password(fresh_address(), "not the password")),
        _ask(service, _by_password("nobody.at.all", "not the password")),
    ]
    assert {(answer.status_code, answer.content) for answer in answers} == {
        (400, answers[0].content)
    }
    assert answers[0].json()["error"] == "invalid_grant"
    assert "www-authenticate" not in answers[0].headers


def test_guesses_here_and_at_login_are_counted_together(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = asyncio.run(member(service, mailroom))
    for _ in range(5):
        answer = _ask(service, _by_password(person.email, "not the password"), person.network)
        assert _outcome(answer) == (400, "invalid_grant")
    waiting = _ask(service, _by_password(person.email), person.network)
    assert _outcome(waiting) == (429, "too_many_requests")
    assert int(waiting.headers["retry-after"]) >= 25

    async def at_login() -> int:
        async with service.client() as client:
            return (await log_in(client, person)).status_code

    assert asyncio.run(at_login()) == 429


REFUSED: dict[str, tuple[Any, Outcome]] = {
    "nothing": (b"", (400, "invalid_request")),
    "no grant type": ({"username": "ann"}, (400, "invalid_request")),
    "an empty grant type": ({"grant_type": ""}, (400, "invalid_request")),
    "another grant type": ({"grant_type": "client_credentials"}, (400, "unsupported_grant_type")),
    "a code": ({"grant_type": "authorization_code"}, (400, "unsupported_grant_type")),
    "a grant type in capitals": ({"grant_type": "PASSWORD"}, (400, "unsupported_grant_type")),
    "no password": ({"grant_type": "password", "username": "ann"}, (400, "invalid_request")),
    "no username": ({"grant_type": "password", "password": "x"}, (400, "invalid_request")),
    "no refresh token": ({"grant_type": "refresh_token"}, (400, "invalid_request")),
    "a wild refresh token": (
        {"grant_type": "refresh_token", "refresh_token": "x" * 112},
        (400, "invalid_grant"),
    ),
    "a long refresh token": (
        {"grant_type": "refresh_token", "refresh_token": "x" * 9000},
        (400, "invalid_request"),
    ),
    "a refresh token of letters abroad": (
        {"grant_type": "refresh_token", "refresh_token": "é" * 12},
        (400, "invalid_grant"),
    ),
    "a username of nothing known": (_by_password("a b"), (400, "invalid_request")),
    "a username with a nul": (_by_password("an\0n"), (400, "invalid_request")),
    "an address of nothing known": (_by_password("@"), (400, "invalid_request")),
    "a long username": (_by_password("a" * 300), (400, "invalid_request")),
    "a long password": (_by_password("ann", "x" * 300), (400, "invalid_request")),
    "a grant type twice": (b"grant_type=password&grant_type=password", (400, "invalid_request")),
    "something unknown twice": (
        b"x=1&x=2&grant_type=password&username=ann&password=x",
        (400, "invalid_request"),
    ),
    "an empty one twice": (
        b"password=&password=x&grant_type=password&username=ann",
        (400, "invalid_request"),
    ),
    "no utf-8": (b"grant_type=password&username=%ff%fe&password=x", (400, "invalid_request")),
    "raw no utf-8": (b"grant_type=password&username=\xff&password=x", (400, "invalid_request")),
    "a surrogate": (b"grant_type=%ed%a0%80", (400, "invalid_request")),
    "many fields": (
        {"grant_type": "refresh"} | {f"f{number}": "1" for number in range(60)},
        (400, "invalid_request"),  # and not what its grant type would be answered
    ),
    "ampersands": (b"&" * 5000, (400, "invalid_request")),
    "half an escape": (b"grant_type=%", (400, "unsupported_grant_type")),
    "json": (b'{"grant_type":"password"}', (400, "invalid_request")),
    "too large": (b"grant_type=" + b"x" * 20_000, (400, "invalid_request")),
}


@pytest.mark.parametrize("what", REFUSED)
def test_an_odd_form_is_refused_in_the_words_of_the_rfc(service: ServiceProcess, what: str) -> None:
    form, expected = REFUSED[what]
    answer = _ask(service, form)
    assert _outcome(answer) == expected
    assert answer.json().keys() == {"error", "error_description"}
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "username",
    [
        "é@example.org",
        "a@ex\\ample.org",
        'a@"x".org',
        "a@\U0001f4a5.org",
        "a\\@x.org",
        "\u202e@x.org",
    ],
)
def test_a_description_holds_no_character_that_the_rfc_forbids(
    service: ServiceProcess, username: str
) -> None:
    """Though it quotes what was typed: libraries put it into headers and logs."""
    answer = _ask(service, _by_password(username))
    assert _outcome(answer) == (400, "invalid_request")
    assert re.fullmatch(r"[\x20\x21\x23-\x5b\x5d-\x7e]+", answer.json()["error_description"])


@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke", "/token/", "/revoke/"])
def test_only_forms_of_our_own_pages_are_read(service: ServiceProcess, path: str) -> None:
    url = service.url + path
    for media_type in ("application/json", "multipart/form-data; boundary=x", "text/plain", ""):
        answer = httpx.post(url, content=b"token=x", headers={"content-type": media_type})
        assert answer.status_code == 415
    abroad = httpx.post(url, data={"token": "x"}, headers={"origin": "https://evil.example"})
    assert abroad.status_code == 403
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        assert httpx.request(method, url, headers=FORM).status_code == 405
    assert httpx.post(url + "?token=x&grant_type=password", headers=FORM).status_code in (400, 401)


def test_the_metadata_names_every_endpoint_by_the_public_address(service: ServiceProcess) -> None:
    answer = httpx.get(f"{service.url}/.well-known/oauth-authorization-server")
    assert "max-age=300" in answer.headers["cache-control"]
    described = answer.json()
    base = f"http://localhost:{service.port}"
    assert described["issuer"] == base
    for name, path in (
        ("token_endpoint", "/token"),
        ("jwks_uri", "/.well-known/jwks.json"),
        ("introspection_endpoint", "/introspect"),
        ("revocation_endpoint", "/revoke"),
    ):
        assert described[name] == base + path
    elsewhere = {"host": "evil.example", "x-forwarded-host": "evil.example"}
    assert httpx.get(str(answer.url), headers=elsewhere).json() == described
    assert described["response_types_supported"] == []
    assert described["grant_types_supported"] == ["password", "refresh_token"]


def test_a_password_is_in_no_log(service: ServiceProcess, somebody: Person) -> None:
    given = _ask(service, _by_password(somebody.email)).json()
    _ask(service, _by_password(somebody.email, "a wrong tell-tale password"))
    for secret in (PASSWORD, "tell-tale", given["access_token"], given["refresh_token"]):
        assert secret not in service.log


def test_hs256_tokens_go_through_every_door(
    symmetric: ServiceProcess, corner: Corner, somebody: Person
) -> None:
    billing = registered(corner, symmetric)
    given = _ask(symmetric, _by_password(somebody.email)).json()
    headers = {"authorization": f"Bearer {given['access_token']}"}
    assert httpx.post(f"{symmetric.url}/validate", headers=headers).json()["valid"] is True
    for token in (given["access_token"], given["refresh_token"]):
        assert billing.introspect(token).json()["active"] is True
    assert billing.revoke(given["refresh_token"]).status_code == 200
    for token in (given["access_token"], given["refresh_token"]):
        assert billing.introspect(token).json() == {"active": False}
    assert httpx.post(f"{symmetric.url}/validate", headers=headers).status_code == 401
    assert httpx.get(f"{symmetric.url}/.well-known/jwks.json").json() == {"keys": []}
