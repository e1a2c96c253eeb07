"""Access tokens: what we sign is accepted until it expires, and nothing else ever is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.corner import MASTER_KEY, OTP_KEY, Corner
from tests.mailroom import Mailroom
from tests.people import Person, SignedIn, member, sign_in
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

JWT_SECRET = "c81f0a7b52e94d3687aa15f0be6d2493"


@pytest.fixture(scope="module")
def somebody(service: ServiceProcess, mailroom: Mailroom) -> Person:
    return asyncio.run(member(service, mailroom))


def _signed_in(service: ServiceProcess, person: Person) -> SignedIn:
    async def sign() -> SignedIn:
        async with service.client() as client:
            return await sign_in(client, person)

    return asyncio.run(sign())


def _logged_in(service: ServiceProcess, person: Person) -> str:
    return _signed_in(service, person).access


def _profile(service: ServiceProcess, authorization: str) -> httpx.Response:
    header = {b"authorization": authorization.encode("utf-8", "surrogatepass")}
    with httpx.Client(base_url=service.url, timeout=10, verify=False) as client:
        return client.get("/api/auth/profile", headers=header)


@pytest.fixture(scope="module")
def recorder() -> Iterator[tuple[str, list[bytes]]]:
    with recording() as recorder:
        yield recorder


@pytest.fixture(scope="module")
def forge(service: ServiceProcess, somebody: Person, recorder: tuple[str, list[bytes]]) -> Forge:
    return Forge.at(service, _signed_in(service, somebody), recorder[0])


@pytest.fixture(scope="module")
def signing_key(corner: Corner, forge: Forge) -> ec.EllipticCurvePrivateKey:
    return private_key(corner, forge.header["kid"])


def test_a_token_of_ours_is_accepted(service: ServiceProcess, forge: Forge) -> None:
    assert _profile(service, f"Bearer {forge.token}").status_code == 200
    assert _profile(service, f"bearer {forge.token}").status_code == 200
    assert forge.header.keys() == {"alg", "typ", "kid"}
    assert (forge.header["alg"], forge.header["typ"]) == ("ES256", "at+jwt")
    assert forge.claims.keys() == {"iss", "aud", "sub", "sid", "iat", "exp", "jti"}
    assert forge.claims["exp"] - forge.claims["iat"] == 900


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forged_token_is_refused(
    service: ServiceProcess, forge: Forge, recorder: tuple[str, list[bytes]], what: str
) -> None:
    # Ours is remembered by now: a forgery must not profit from that.
    assert _profile(service, f"Bearer {forge.token}").status_code == 200
    answer = _profile(service, f"Bearer {FORGERIES[what](forge)}")
    assert answer.status_code == 401
    assert answer.json()["code"] == "token_rejected"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert recorder[1] == []


@pytest.mark.parametrize("what", MISCLAIMED)
def test_a_token_that_says_something_else_is_refused_though_we_signed_it(
    service: ServiceProcess, forge: Forge, signing_key: ec.EllipticCurvePrivateKey, what: str
) -> None:
    header, claims = (
        {**old, **new}
        for old, new in zip((forge.header, forge.claims), MISCLAIMED[what], strict=True)
    )
    assert _profile(service, f"Bearer {sign(forge.header, forge.claims, signing_key)}").is_success
    answer = _profile(service, f"Bearer {sign(header, claims, signing_key)}")
    assert (answer.status_code, answer.json()["code"]) == (401, "token_rejected")


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Basic dXNlcjpwYXNz", "Token x", "Bearer\tx", "null"]
)
def test_without_a_bearer_token_there_is_no_profile(
    service: ServiceProcess, authorization: str
) -> None:
    assert _profile(service, authorization).status_code == 401


def test_a_token_in_the_query_is_not_read(service: ServiceProcess, forge: Forge) -> None:
    for name in ("token", "access_token"):
        answer = httpx.get(f"{service.url}/v1/me", params={name: forge.token})
        assert answer.status_code == 401


def test_a_token_ends_with_its_session(
    service: ServiceProcess, corner: Corner, somebody: Person
) -> None:
    for statement in (
        "UPDATE sessions SET ended_at = now() WHERE id = $1::uuid",
        "UPDATE sessions SET expires_at = now() WHERE id = $1::uuid",
        "DELETE FROM sessions WHERE id = $1::uuid",
    ):
        token = _logged_in(service, somebody)
        assert _profile(service, f"Bearer {token}").status_code == 200
        corner.rows(statement, jwt.decode(token, options={"verify_signature": False})["sid"])
        assert _profile(service, f"Bearer {token}").status_code == 401


def test_a_token_ends_when_its_account_is_disabled(
    service: ServiceProcess, corner: Corner, mailroom: Mailroom
) -> None:
    person = asyncio.run(member(service, mailroom))
    token = _logged_in(service, person)
    assert _profile(service, f"Bearer {token}").status_code == 200
    corner.rows("UPDATE accounts SET status = 'disabled' WHERE email = $1", person.email)
    assert _profile(service, f"Bearer {token}").status_code == 401


def test_a_remembered_token_is_refused_once_it_has_expired(
    service: ServiceProcess, forge: Forge, signing_key: ec.EllipticCurvePrivateKey
) -> None:
    claims = {**forge.claims, "exp": int(time.time()) + 2}
    token = sign(forge.header, claims, signing_key)
    assert _profile(service, f"Bearer {token}").status_code == 200
    time.sleep(max(0, claims["exp"] - time.time()) + 0.05)
    assert _profile(service, f"Bearer {token}").status_code == 401


def test_the_published_key_checks_our_tokens_and_holds_nothing_private(
    service: ServiceProcess, forge: Forge
) -> None:
    keys = httpx.get(f"{service.url}/.well-known/jwks.json").json()["keys"]
    assert [key.keys() for key in keys] == [{"kty", "crv", "x", "y", "kid", "use", "alg"}]
    key = jwt.PyJWK(keys[0]).key
    claims = jwt.decode(forge.token, key, algorithms=["ES256"], audience="gatepost")
    assert claims == forge.claims


# -- HS256 ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def symmetric(corner: Corner) -> Iterator[ServiceProcess]:
    with ServiceProcess.started(
        corner.variables, JWT_SECRET=JWT_SECRET, ACCESS_TOKEN_EXPIRE_MINUTES="7"
    ) as service:
        yield service


def test_a_jwt_secret_makes_hs256_tokens_and_an_empty_jwks(
    symmetric: ServiceProcess, somebody: Person
) -> None:
    token = _logged_in(symmetric, somebody)
    claims = jwt.decode(token, JWT_SECRET, algorithms=["HS256"], audience="gatepost")
    assert claims["exp"] - claims["iat"] == 420
    assert _profile(symmetric, f"Bearer {token}").status_code == 200
    assert httpx.get(f"{symmetric.url}/.well-known/jwks.json").json() == {"keys": []}


def test_tokens_of_the_one_mode_are_worth_nothing_in_the_other(
    service: ServiceProcess, symmetric: ServiceProcess, somebody: Person, forge: Forge
) -> None:
    assert _profile(symmetric, f"Bearer {forge.token}").status_code == 401
    token = _logged_in(symmetric, somebody)
    assert _profile(service, f"Bearer {token}").status_code == 401


@pytest.mark.parametrize(
    "key", [b"", b"secret", JWT_SECRET.encode()[:-1], MASTER_KEY.encode(), OTP_KEY.encode()]
)
def test_an_hs256_token_under_another_key_is_refused(
    symmetric: ServiceProcess, somebody: Person, key: bytes
) -> None:
    token = _logged_in(symmetric, somebody)
    header = jwt.get_unverified_header(token)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert _profile(symmetric, f"Bearer {hs(header, claims, JWT_SECRET.encode())}").is_success
    assert _profile(symmetric, f"Bearer {hs(header, claims, key)}").status_code == 401
    unsigned = f"{part({**header, 'alg': 'none'})}.{part(claims)}."
    assert _profile(symmetric, f"Bearer {unsigned}").status_code == 401


def test_no_forgery_was_an_error_of_ours(service: ServiceProcess, forge: Forge) -> None:
    for make in FORGERIES.values():
        _profile(service, f"Bearer {make(forge)}")
    assert not service.errors
