"""Access tokens: what we sign is accepted until it expires, and nothing else ever is."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.corner import MASTER_KEY, OTP_KEY, Corner
from tests.mailroom import Mailroom
from tests.people import Person, log_in, member
from tests.service_process import ServiceProcess
from user_service.identity.master_key import MasterKey

JWT_SECRET = "c81f0a7b52e94d3687aa15f0be6d2493"
Claims = dict[str, Any]


@pytest.fixture(scope="module")
def somebody(service: ServiceProcess, mailroom: Mailroom) -> Person:
    return asyncio.run(member(service, mailroom))


def _logged_in(service: ServiceProcess, person: Person) -> str:
    async def token() -> str:
        async with service.client() as client:
            answer = await log_in(client, person)
        data: dict[str, str] = answer.json()["data"]
        return data["token"]

    return asyncio.run(token())


def _profile(service: ServiceProcess, authorization: str) -> httpx.Response:
    header = {b"authorization": authorization.encode("utf-8", "surrogatepass")}
    with httpx.Client(base_url=service.url, timeout=10, verify=False) as client:
        return client.get("/api/auth/profile", headers=header)


def _part(content: object) -> str:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def _hs(header: object, claims: object, key: bytes, digest: Any = sha256) -> str:
    signed = f"{_part(header)}.{_part(claims)}"
    return f"{signed}.{_part(hmac.digest(key, signed.encode(), digest))}"


class Forge:
    """Everything somebody could know or make: one real token, our public key, own keys."""

    def __init__(self, token: str, jwk: dict[str, str], elsewhere: str) -> None:
        self.token = token
        self.head, self.body, self.signature = token.split(".")
        self.header: Claims = jwt.get_unverified_header(token)
        self.claims: Claims = jwt.decode(token, options={"verify_signature": False})
        self.jwk = jwk
        self.elsewhere = elsewhere
        self.public = jwt.PyJWK(jwk).key
        self.own = ec.generate_private_key(ec.SECP256R1())
        self.own_384 = ec.generate_private_key(ec.SECP384R1())
        self.own_rsa = rsa.generate_private_key(65537, 2048)

    def unsigned(self, alg: str, signature: str = "") -> str:
        return f"{_part({**self.header, 'alg': alg})}.{self.body}.{signature}"

    def hs_with(self, key: bytes, alg: str = "HS256", **header: Any) -> str:
        return _hs({**self.header, "alg": alg, **header}, self.claims, key)

    def own_signed(self, header: Claims | None = None, alg: str = "ES256", **claims: Any) -> str:
        key: Any = {"ES384": self.own_384, "RS256": self.own_rsa, "PS256": self.own_rsa}.get(
            alg, self.own
        )
        headers = {**self.header, "alg": alg, **(header or {})}
        return jwt.encode({**self.claims, **claims}, key, algorithm=alg, headers=headers)

    def own_public_jwk(self) -> dict[str, Any]:
        return dict(jwt.algorithms.ECAlgorithm.to_jwk(self.own.public_key(), as_dict=True))

    def public_bytes(self, encoding: Encoding, form: PublicFormat) -> bytes:
        content: bytes = self.public.public_bytes(encoding, form)
        return content


SPKI = PublicFormat.SubjectPublicKeyInfo
FORGERIES: dict[str, Callable[[Forge], str]] = {
    "alg none": lambda f: f.unsigned("none"),
    "alg None": lambda f: f.unsigned("None"),
    "alg nOnE": lambda f: f.unsigned("nOnE"),
    "alg none, our signature": lambda f: f.unsigned("none", f.signature),
    "alg empty": lambda f: f.unsigned(""),
    "alg missing": lambda f: f"{_part({'typ': 'at+jwt', 'kid': f.header['kid']})}.{f.body}.",
    "alg a number": lambda f: f"{_part({**f.header, 'alg': 1})}.{f.body}.{f.signature}",
    "alg a list": lambda f: f"{_part({**f.header, 'alg': ['ES256']})}.{f.body}.{f.signature}",
    "hs256 with the public pem": lambda f: f.hs_with(f.public_bytes(Encoding.PEM, SPKI)),
    "hs256 with the public pem, stripped": lambda f: f.hs_with(
        f.public_bytes(Encoding.PEM, SPKI).strip()
    ),
    "hs256 with the public der": lambda f: f.hs_with(f.public_bytes(Encoding.DER, SPKI)),
    "hs256 with the public point": lambda f: f.hs_with(
        f.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    ),
    "hs256 with the public jwk": lambda f: f.hs_with(json.dumps(f.jwk).encode()),
    "hs256 with no key": lambda f: f.hs_with(b""),
    "hs256 with the kid of the hs256 ring": lambda f: f.hs_with(b"", kid="hs256"),
    "hs512 named es256": lambda f: f.hs_with(f.public_bytes(Encoding.PEM, SPKI), alg="ES256"),
    "own es256 key": lambda f: f.own_signed(),
    "own es384 key": lambda f: f.own_signed(alg="ES384"),
    "own rsa key": lambda f: f.own_signed(alg="RS256"),
    "own rsa key, pss": lambda f: f.own_signed(alg="PS256"),
    "kid a path": lambda f: f.own_signed({"kid": "../../dev/null"}),
    "kid a statement": lambda f: f.own_signed({"kid": "' or 1=1--"}),
    "kid 3 kB": lambda f: f.own_signed({"kid": "k" * 2500}),
    "kid 10 kB": lambda f: f.own_signed({"kid": "k" * 10_000}),
    "kid empty": lambda f: f.own_signed({"kid": ""}),
    "kid missing": lambda f: f"{_part({'alg': 'ES256', 'typ': 'at+jwt'})}.{f.body}.{f.signature}",
    "kid a number": lambda f: f"{_part({**f.header, 'kid': 1})}.{f.body}.{f.signature}",
    "kid a list": lambda f: f"{_part({**f.header, 'kid': [1]})}.{f.body}.{f.signature}",
    "kid an object": lambda f: f"{_part({**f.header, 'kid': {}})}.{f.body}.{f.signature}",
    "kid a nul": lambda f: f.own_signed({"kid": "\0"}),
    "jwk of its own": lambda f: f.own_signed({"jwk": f.own_public_jwk()}),
    "jku elsewhere": lambda f: f.own_signed({"jku": f.elsewhere}),
    "jku elsewhere, unknown kid": lambda f: f.own_signed({"jku": f.elsewhere, "kid": "1"}),
    "x5u elsewhere": lambda f: f.own_signed({"x5u": f.elsewhere}),
    "x5c of its own": lambda f: f.own_signed({"x5c": ["MIIB"]}),
    "crit unknown": lambda f: f.own_signed({"crit": ["unknown"], "unknown": 1}),
    "crit put before our signature": lambda f: (
        f"{_part({**f.header, 'crit': ['b64'], 'b64': False})}.{f.body}.{f.signature}"
    ),
    "claims of another": lambda f: (
        f"{f.head}.{_part({**f.claims, 'sub': str(uuid.uuid4())})}.{f.signature}"
    ),
    "exp moved": lambda f: f"{f.head}.{_part({**f.claims, 'exp': 2**33})}.{f.signature}",
    "typ jwt": lambda f: f"{_part({**f.header, 'typ': 'JWT'})}.{f.body}.{f.signature}",
    "signature stripped": lambda f: f"{f.head}.{f.body}.",
    "signature missing": lambda f: f"{f.head}.{f.body}",
    "signature cut": lambda f: f.token[:-4],
    "signature doubled": lambda f: f.token + f.signature,
    "signature zeros": lambda f: f"{f.head}.{f.body}.{_part(bytes(64))}",
    "signature r of zero": lambda f: f"{f.head}.{f.body}.{_part(bytes(32) + b'1' * 32)}",
    "signature of the order": lambda f: (
        f"{f.head}.{f.body}."
        + _part(
            bytes.fromhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551" * 2)
        )
    ),
    "signature of another's token": lambda f: (
        f"{f.head}.{f.body}.{f.own_signed().rsplit('.', 1)[1]}"
    ),
    "one bit flipped": lambda f: (
        f"{f.head}.{f.body}.{'A' if f.signature[0] != 'A' else 'B'}{f.signature[1:]}"
    ),
    "two tokens": lambda f: f"{f.token} {f.token}",
    "two tokens with a comma": lambda f: f"{f.token},{f.token}",
    "a second scheme": lambda f: f"Bearer {f.token}",
    "five parts": lambda f: f"{f.token}.{f.token}",
    "the body alone": lambda f: f.body,
    "dots": lambda _: "..",
    "header no json": lambda f: f"{_part(b'{')}.{f.body}.{f.signature}",
    "header a list": lambda f: f"{_part([])}.{f.body}.{f.signature}",
    "header null": lambda f: f"{_part(None)}.{f.body}.{f.signature}",
    "header no utf-8": lambda f: f"{_part(bytes([255, 254]))}.{f.body}.{f.signature}",
    "header nested deep": lambda f: f"{_part(b'[' * 2900)}.{f.body}.",
    "header with alg twice": lambda f: (
        _part(f'{{"alg":"none","typ":"at+jwt","kid":"{f.header["kid"]}","alg":"ES256"}}'.encode())
        + f".{f.body}.{f.signature}"
    ),
    "no base64": lambda f: f"{f.head}.!!!.{f.signature}",
    "not ascii": lambda f: f"{f.token[:-1]}ü",
    "9 kB": lambda f: f.own_signed(padding="x" * 9000),
    "a nul's worth": lambda _: "0",
}

# Signed with our own key: what must be refused although the signature is right.
MISCLAIMED: dict[str, tuple[Claims, Claims]] = {
    "exp a second past": ({}, {"exp": int(time.time()) - 1}),
    "exp 61 s past": ({}, {"exp": int(time.time()) - 61}),
    "exp missing": ({}, {"exp": None}),
    "exp a text": ({}, {"exp": "tomorrow"}),
    "exp a list": ({}, {"exp": [2**33]}),
    "exp negative": ({}, {"exp": -1}),
    "exp zero": ({}, {"exp": 0}),
    "exp endless": ({}, {"exp": float("inf")}),
    "exp no number": ({}, {"exp": float("nan")}),
    "nbf to come": ({}, {"nbf": int(time.time()) + 3600}),
    "iat to come": ({}, {"iat": int(time.time()) + 3600}),
    "iat missing": ({}, {"iat": None}),
    "iss another": ({}, {"iss": "https://evil.example"}),
    "iss a list": ({}, {"iss": ["https://evil.example"]}),
    "iss missing": ({}, {"iss": None}),
    "aud another": ({}, {"aud": "billing"}),
    "aud a list": ({}, {"aud": ["gatepost", "billing"]}),
    "aud missing": ({}, {"aud": None}),
    "sub missing": ({}, {"sub": None}),
    "sub no uuid": ({}, {"sub": "admin"}),
    "sub a number": ({}, {"sub": 1}),
    "sub another's": ({}, {"sub": str(uuid.uuid4())}),
    "sid missing": ({}, {"sid": None}),
    "sid no uuid": ({}, {"sid": "' or 1=1--"}),
    "sid of no session": ({}, {"sid": str(uuid.uuid4())}),
    "sid a list": ({}, {"sid": []}),
    "jti missing": ({}, {"jti": None}),
    "typ jwt": ({"typ": "JWT"}, {}),
    "typ of a mail token": ({"typ": "recover+jwt"}, {}),
    "typ missing": ({"typ": None}, {}),
    "crit unknown": ({"crit": ["unknown"], "unknown": 1}, {}),
    "crit b64": ({"crit": ["b64"], "b64": True}, {}),
    "kid another": ({"kid": "another"}, {}),
}


@pytest.fixture(scope="module")
def recorder() -> Iterator[tuple[str, list[bytes]]]:
    """A server elsewhere that nobody must ask for keys."""
    asked: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def listen() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            asked.append(b"connected")
            connection.close()

    threading.Thread(target=listen, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/keys", asked
    listener.close()


@pytest.fixture(scope="module")
def forge(service: ServiceProcess, somebody: Person, recorder: tuple[str, list[bytes]]) -> Forge:
    jwks = httpx.get(f"{service.url}/.well-known/jwks.json").json()
    return Forge(_logged_in(service, somebody), jwks["keys"][0], recorder[0])


@pytest.fixture(scope="module")
def signing_key(corner: Corner) -> ec.EllipticCurvePrivateKey:
    """Our own private key, as only the service and its database can unseal it."""
    row = corner.rows("SELECT kid, sealed_private FROM signing_keys")[0]
    plain = MasterKey(MASTER_KEY).unseal(row["sealed_private"], bound_to=row["kid"])
    key = serialization.load_der_private_key(plain, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


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
    assert _profile(
        service, f"Bearer {_signed(forge.header, forge.claims, signing_key)}"
    ).is_success
    answer = _profile(service, f"Bearer {_signed(header, claims, signing_key)}")
    assert (answer.status_code, answer.json()["code"]) == (401, "token_rejected")


def _signed(header: Claims, claims: Claims, key: ec.EllipticCurvePrivateKey) -> str:
    """ES256 by hand, because PyJWT would not sign half of it; a None is left out."""
    parts = [
        {name: value for name, value in part.items() if value is not None}
        for part in (header, claims)
    ]
    signed = ".".join(_part(part) for part in parts)
    signature = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256).sign(
        signed.encode(), key
    )
    return f"{signed}.{_part(signature)}"


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
    token = _signed(forge.header, claims, signing_key)
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
    assert _profile(symmetric, f"Bearer {_hs(header, claims, JWT_SECRET.encode())}").is_success
    assert _profile(symmetric, f"Bearer {_hs(header, claims, key)}").status_code == 401
    unsigned = f"{_part({**header, 'alg': 'none'})}.{_part(claims)}."
    assert _profile(symmetric, f"Bearer {unsigned}").status_code == 401


def test_no_forgery_was_an_error_of_ours(service: ServiceProcess, forge: Forge) -> None:
    for make in FORGERIES.values():
        _profile(service, f"Bearer {make(forge)}")
    assert not [line for line in service.lines if line["level"] == "error"]
