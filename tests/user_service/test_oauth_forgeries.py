"""Forged tokens at the doors that other services use: none is worth anything at any of them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from uuid import UUID

import httpx
import jwt
import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import SignedIn, member, sign_in
from tests.service_process import ServiceProcess
from tests.user_service.forged_tokens import (
    FORGERIES,
    MISCLAIMED,
    Forge,
    hs,
    part,
    private_key,
    recording,
    sign,
)
from tests.user_service.services import OtherService, registered
from user_service.identity.refresh_tokens import RefreshToken, RefreshTokens

INACTIVE = b'{"active":false}'
JWT_SECRET = "c81f0a7b52e94d3687aa15f0be6d2493"
# No forgery there: introspection tells that it is a refresh token.
REAL_AT_INTROSPECT = "a refresh token"


@pytest.fixture(scope="module")
def session(service: ServiceProcess, mailroom: Mailroom) -> SignedIn:
    async def opened() -> SignedIn:
        person = await member(service, mailroom)
        async with service.client() as client:
            return await sign_in(client, person)

    return asyncio.run(opened())


@pytest.fixture(scope="module")
def recorder() -> Iterator[tuple[str, list[bytes]]]:
    with recording() as recorder:
        yield recorder


@pytest.fixture(scope="module")
def forge(service: ServiceProcess, session: SignedIn, recorder: tuple[str, list[bytes]]) -> Forge:
    return Forge.at(service, session, recorder[0])


@pytest.fixture(scope="module")
def billing(corner: Corner, service: ServiceProcess) -> OtherService:
    return registered(corner, service)


def _validate(service: ServiceProcess, token: str) -> httpx.Response:
    header = {b"authorization": f"Bearer {token}".encode("utf-8", "surrogatepass")}
    return httpx.post(f"{service.url}/validate", headers=header)


def _is_worthless(service: ServiceProcess, billing: OtherService, token: str) -> None:
    validated = _validate(service, token)
    assert (validated.status_code, validated.json()["code"]) == (401, "token_rejected")
    introspected = billing.introspect(token)
    assert (introspected.status_code, introspected.content) == (200, INACTIVE)


def _is_good(service: ServiceProcess, billing: OtherService, token: str) -> None:
    """So that it is remembered, and a forgery cannot be refused for want of a session."""
    assert _validate(service, token).json()["valid"] is True
    assert billing.introspect(token).json()["active"] is True


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forged_token_is_worth_nothing(
    service: ServiceProcess,
    forge: Forge,
    billing: OtherService,
    recorder: tuple[str, list[bytes]],
    what: str,
) -> None:
    _is_good(service, billing, forge.token)
    token = FORGERIES[what](forge)
    if what == REAL_AT_INTROSPECT:
        assert _validate(service, token).status_code == 401
        assert billing.introspect(token).json()["token_type"] == "refresh_token"
    else:
        _is_worthless(service, billing, token)
    assert billing.revoke("x" + token).content == b"{}"
    _is_good(service, billing, forge.token)
    assert recorder[1] == []


@pytest.mark.parametrize("what", MISCLAIMED)
def test_a_token_that_says_something_else_is_worth_nothing_though_we_signed_it(
    service: ServiceProcess, corner: Corner, forge: Forge, billing: OtherService, what: str
) -> None:
    key = private_key(corner, forge.header["kid"])
    _is_good(service, billing, sign(forge.header, forge.claims, key))
    header, claims = MISCLAIMED[what]
    _is_worthless(service, billing, sign(forge.header | header, forge.claims | claims, key))


@pytest.mark.parametrize("what", [what for what in FORGERIES if what != REAL_AT_INTROSPECT])
def test_revoking_a_forged_token_ends_nothing(
    service: ServiceProcess, forge: Forge, billing: OtherService, what: str
) -> None:
    answer = billing.revoke(FORGERIES[what](forge))
    assert (answer.status_code, answer.content) == (200, b"{}")
    _is_good(service, billing, forge.token)


def test_a_refresh_token_with_any_byte_changed_is_worth_nothing(
    session: SignedIn, billing: OtherService
) -> None:
    raw = base64.urlsafe_b64decode(session.refresh)
    for place in range(len(raw)):
        changed = bytearray(raw)
        changed[place] ^= 1
        token = base64.urlsafe_b64encode(changed).decode()
        assert billing.introspect(token).content == INACTIVE, place
        assert billing.revoke(token).status_code == 200
    for end in (1, 4, 43, 111):
        assert billing.introspect(session.refresh[:end]).content == INACTIVE
    assert billing.introspect(session.refresh + "A" * 4).content == INACTIVE
    assert billing.introspect(session.refresh).json()["active"] is True


def test_a_refresh_token_of_another_installation_is_worth_nothing(
    session: SignedIn, billing: OtherService
) -> None:
    """Though its MASTER_KEY is all that differs: the session and its secret are real."""
    raw = base64.urlsafe_b64decode(session.refresh)
    real = RefreshToken(UUID(bytes=raw[:16]), int.from_bytes(raw[16:20]), raw[20:52])
    forged = RefreshTokens(b"a key of another installation").write(real)
    assert forged[:40] == session.refresh[:40]
    assert billing.introspect(forged).content == INACTIVE
    assert billing.revoke(forged).status_code == 200
    assert billing.introspect(session.refresh).json()["active"] is True


def test_no_forgery_was_an_error_of_ours(service: ServiceProcess) -> None:
    assert not service.errors


# -- HS256 ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def symmetric(corner: Corner) -> Iterator[ServiceProcess]:
    with ServiceProcess.started(corner.variables, JWT_SECRET=JWT_SECRET) as service:
        yield service


def test_with_a_shared_secret_the_same_forgeries_are_worth_nothing(
    symmetric: ServiceProcess, mailroom: Mailroom, corner: Corner, forge: Forge
) -> None:
    async def opened() -> SignedIn:
        person = await member(symmetric, mailroom)
        async with symmetric.client() as client:
            return await sign_in(client, person)

    token, billing = asyncio.run(opened()).access, registered(corner, symmetric)
    header = jwt.get_unverified_header(token)
    claims = jwt.decode(token, options={"verify_signature": False})
    _is_good(symmetric, billing, hs(header, claims, JWT_SECRET.encode()))
    for make in FORGERIES.values():
        if make is not FORGERIES[REAL_AT_INTROSPECT]:
            _is_worthless(symmetric, billing, make(forge))
    _is_worthless(symmetric, billing, forge.token)
    for alg in ("none", "None", "HS384", "HS512", "ES256", ""):
        forged = hs(header | {"alg": alg}, claims, JWT_SECRET.encode())
        _is_worthless(symmetric, billing, forged)
        _is_worthless(symmetric, billing, f"{part(header | {'alg': alg})}.{part(claims)}.")
    for key in (b"", b"secret", JWT_SECRET[:-1].encode()):
        _is_worthless(symmetric, billing, hs(header, claims, key))
    for changed_header, changed_claims in MISCLAIMED.values():
        said = {k: v for k, v in (claims | changed_claims).items() if v is not None}
        headed = {k: v for k, v in (header | changed_header).items() if v is not None}
        _is_worthless(symmetric, billing, hs(headed, said, JWT_SECRET.encode()))
    assert not symmetric.errors
