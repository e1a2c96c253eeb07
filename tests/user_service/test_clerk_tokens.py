"""Clerk's session tokens: they read a profile, and nothing that was forged or misread is one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import httpx
import jwt
import pytest

from tests.clerk_issuer import PARTY, ClerkIssuer, ClerkKey
from tests.corner import Corner
from tests.faults.house import until
from tests.service_process import ServiceProcess, logged
from tests.user_service.accounts import link, settled
from tests.user_service.forged_clerk_tokens import (
    FORGERIES,
    MISCLAIMED,
    ODD_SUBJECTS,
    ClerkForge,
    rs,
    unusable_keys,
)
from tests.user_service.forged_tokens import hs, recording
from tests.user_service.sensible_requests import Subject

PATHS = ("/v1/me", "/api/auth/profile")
JWT_SECRET = "c81f0a7b52e94d3687aa15f0be6d2493"


@dataclass(frozen=True)
class Door:
    """A service that knows Clerk, and one person's session there and here."""

    service: ServiceProcess
    client: httpx.Client
    issuer: ClerkIssuer
    forge: ClerkForge
    subject: Subject

    def read(self, token: str, path: str = PATHS[0]) -> httpx.Response:
        header = {b"authorization": f"Bearer {token}".encode("utf-8", "surrogatepass")}
        return self.client.get(path, headers=header)

    def is_open(self, token: str) -> None:
        for path in PATHS:
            answer = self.read(token, path)
            assert answer.status_code == 200, answer.text
            assert answer.json()["data"]["user"]["email"] == self.subject.person.email
            assert answer.headers["cache-control"] == "no-store"

    def is_shut(self, token: str) -> None:
        for path in PATHS:
            answer = self.read(token, path)
            assert (answer.status_code, answer.json()["code"]) == (401, "token_rejected"), path
            assert self.subject.person.email not in answer.text

    def session_token(self, **claims: Any) -> str:
        return self.issuer.session_token(self.forge.user_id, **claims)


@pytest.fixture(scope="module")
def issuer() -> Iterator[ClerkIssuer]:
    with ClerkIssuer.started() as issuer:
        issuer.published += unusable_keys()
        yield issuer


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[tuple[str, list[bytes]]]:
    with recording() as recorder:
        yield recorder


@pytest.fixture(scope="module", params=["jwks", "pem"])
def door(
    corner: Corner,
    issuer: ClerkIssuer,
    elsewhere: tuple[str, list[bytes]],
    request: pytest.FixtureRequest,
) -> Iterator[Door]:
    known = issuer.settings if request.param == "jwks" else issuer.settings_by_pem
    parties = {"CLERK_AUTHORIZED_PARTIES": f"https://app.example.org,{PARTY}"}
    with (
        ServiceProcess.started(corner.variables, **known, **parties) as service,
        httpx.Client(base_url=service.url, timeout=10) as client,
    ):
        subject = Subject.made(corner, service)
        ours = subject.tokens.access
        said = jwt.decode(ours, options={"verify_signature": False})
        forge = ClerkForge(issuer, link(corner, said["sub"]), ours, elsewhere[0])
        yield Door(service, client, issuer, forge, subject)


def test_clerks_token_reads_the_same_profile_as_our_own(door: Door) -> None:
    door.is_open(door.session_token())
    door.is_open(door.subject.tokens.access)


def test_a_token_without_a_type_is_clerks_too(door: Door) -> None:
    door.is_open(door.forge.clerk_signed({"typ": None}))


def test_the_log_tells_whose_account_was_read_or_which_user_has_none(
    door: Door, corner: Corner
) -> None:
    (account,) = asyncio.run(settled(corner, 1))
    nobody = f"user_{uuid4().hex}"
    assert door.read(door.issuer.session_token(link(corner, account))).status_code == 200
    assert door.read(door.issuer.session_token(nobody)).status_code == 401
    asyncio.run(until(logged(door.service, account, nobody)))
    assert door.forge.token not in door.service.log


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forged_token_reads_nothing(door: Door, what: str) -> None:
    door.is_open(door.session_token())
    door.is_shut(FORGERIES[what](door.forge))


@pytest.fixture(scope="module")
def odd_subjects(corner: Corner) -> None:
    """Linked, so that nothing but their form can be why they are refused."""
    accounts = asyncio.run(settled(corner, len(ODD_SUBJECTS)))
    for account, odd in zip(accounts, ODD_SUBJECTS.values(), strict=True):
        known = link(corner, account)
        corner.rows("UPDATE clerk_users SET id = $2 WHERE id = $1", known, odd)


@pytest.mark.parametrize("what", MISCLAIMED)
@pytest.mark.usefixtures("odd_subjects")
def test_a_token_that_says_something_else_reads_nothing_though_clerk_signed_it(
    door: Door, what: str
) -> None:
    door.is_shut(door.forge.clerk_signed(**MISCLAIMED[what]))


def test_moments_are_judged_to_the_second_and_a_clock_may_be_five_ahead(door: Door) -> None:
    now = int(time.time())
    for good in ({"nbf": now + 3}, {"iat": now + 3}, {"exp": now + 30}):
        door.is_open(door.session_token(**good))
    for bad in ({"nbf": now + 15}, {"iat": now + 15}, {"exp": now}, {"exp": now - 1}):
        door.is_shut(door.session_token(**bad))


def test_an_account_is_read_as_long_as_it_is_active_and_stands_for_the_user(
    door: Door, corner: Corner
) -> None:
    (account,) = asyncio.run(settled(corner, 1))
    token = door.issuer.session_token(link(corner, account))
    statuses = []
    for change in (
        "UPDATE accounts SET name = name WHERE id = $1",
        "UPDATE accounts SET status = 'disabled' WHERE id = $1",
        "UPDATE accounts SET status = 'active' WHERE id = $1",
        "UPDATE clerk_users SET account_id = NULL WHERE account_id = $1",
    ):
        corner.rows(change, UUID(account))
        statuses.append(door.read(token).status_code)
    assert statuses == [200, 401, 200, 401]


def test_it_is_good_for_reading_and_for_nothing_else(door: Door) -> None:
    headers = {"authorization": f"Bearer {door.session_token()}"}
    for method, path, body in (
        ("PATCH", "/api/auth/profile", {"name": "Mallory"}),
        ("DELETE", "/api/auth/profile", {"password": door.subject.person.password}),
        ("POST", "/validate", None),
        ("GET", "/api/auth/sessions", None),
        ("GET", "/api/admin/users", None),
    ):
        answer = door.client.request(method, path, headers=headers, json=body)
        assert (answer.status_code, answer.json()["code"]) == (401, "token_rejected"), path


def test_no_forgery_was_an_error_of_ours_or_made_us_ask_anybody(
    door: Door, elsewhere: tuple[str, list[bytes]]
) -> None:
    for make in FORGERIES.values():
        door.read(make(door.forge))
    assert not door.service.errors
    assert elsewhere[1] == []
    assert door.issuer.strayed == []


def test_without_an_issuer_clerks_tokens_are_like_any_others(
    service: ServiceProcess, issuer: ClerkIssuer
) -> None:
    header = {"authorization": f"Bearer {issuer.session_token('user_2abc')}"}
    for path in PATHS:
        answer = httpx.get(service.url + path, headers=header)
        assert (answer.status_code, answer.json()["code"]) == (401, "token_rejected")


def test_a_page_of_any_origin_counts_where_no_parties_are_named_and_our_tokens_may_be_hs256(
    corner: Corner, issuer: ClerkIssuer
) -> None:
    known = issuer.settings_by_pem | {"JWT_SECRET": JWT_SECRET}
    with ServiceProcess.started(corner.variables, **known) as service:
        subject = Subject.made(corner, service)
        ours = subject.tokens.access
        said = jwt.decode(ours, options={"verify_signature": False})
        forge = ClerkForge(issuer, link(corner, said["sub"]), ours, issuer.url)
        with httpx.Client(base_url=service.url, timeout=10) as client:
            door = Door(service, client, issuer, forge, subject)
            door.is_open(ours)
            door.is_open(forge.clerk_signed(azp=None))
            door.is_open(forge.clerk_signed(azp="https://anything.example"))
            # By a service whose own tokens have a secret, too, neither kind is taken for the other.
            for what in FORGERIES:
                door.is_shut(FORGERIES[what](forge))
            for typ in ("JWT", "at+jwt"):
                header = {"typ": typ, "alg": "HS256", "kid": "hs256"}
                door.is_shut(hs(header, forge.claims, JWT_SECRET.encode()))


# -- keys change ----------------------------------------------------------------------------------


def test_a_new_key_of_clerks_counts_at_once_and_made_up_ones_ask_for_nothing(
    corner: Corner,
) -> None:
    with (
        ClerkIssuer.started() as issuer,
        ServiceProcess.started(corner.variables, **issuer.settings) as service,
    ):
        clerk_id = link(corner, asyncio.run(settled(corner, 1))[0])
        assert _status(service, issuer.session_token(clerk_id)) == 200
        old_token = issuer.session_token(clerk_id)
        asked = issuer.asked
        issuer.rotate()
        assert _status(service, issuer.session_token(clerk_id)) == 200
        assert _status(service, old_token) == 401
        began = time.monotonic()
        assert asyncio.run(_flood(service, issuer, clerk_id, 1000)) == {401}
        # One for the new key, and one every ten seconds.
        assert issuer.asked <= asked + 2 + (time.monotonic() - began) / 10
        assert _status(service, issuer.session_token(clerk_id)) == 200


async def _flood(
    service: ServiceProcess, issuer: ClerkIssuer, clerk_id: str, many: int
) -> set[int]:
    """The statuses that so many tokens with kids of their own were answered with."""
    key, claims = ClerkKey.made().private, issuer.claims(clerk_id)
    tokens = iter(
        [rs(issuer.headers(kid=f"ins_{n}", alg="RS256"), claims, key) for n in range(many)]
    )
    answered = set()

    async def connection(session: aiohttp.ClientSession) -> None:
        for token in tokens:
            async with session.get(PATHS[0], headers={"authorization": f"Bearer {token}"}) as one:
                answered.add(one.status)

    async with aiohttp.ClientSession(service.url) as session:
        await asyncio.gather(*(connection(session) for _ in range(20)))
    return answered


def test_while_clerk_was_never_reached_its_tokens_are_answered_503_and_ours_are_read(
    corner: Corner,
) -> None:
    with (
        ClerkIssuer.started() as issuer,
        issuer.behaving("error"),
        ServiceProcess.started(corner.variables, **issuer.settings) as service,
    ):
        ours = Subject.made(corner, service).tokens.access
        account = jwt.decode(ours, options={"verify_signature": False})["sub"]
        token = issuer.session_token(link(corner, account))
        refused = _read(service, token)
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert int(refused.headers["retry-after"]) > 0
        assert _status(service, ours) == 200
        issuer.behaviour = "well"
        deadline = time.monotonic() + 5
        while _status(service, token) != 200:
            assert time.monotonic() < deadline


def _read(service: ServiceProcess, token: str) -> httpx.Response:
    return httpx.get(service.url + PATHS[0], headers={"authorization": f"Bearer {token}"})


def _status(service: ServiceProcess, token: str) -> int:
    return _read(service, token).status_code
