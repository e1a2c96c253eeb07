"""Forged and misclaimed access tokens, for every door that takes a token."""

from __future__ import annotations

import base64
import hmac
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.corner import MASTER_KEY, Corner
from tests.people import SignedIn
from tests.service_process import ServiceProcess
from user_service.identity.master_key import MasterKey

Claims = dict[str, Any]


def part(content: object) -> str:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def hs(header: object, claims: object, key: bytes, digest: Any = sha256) -> str:
    signed = f"{part(header)}.{part(claims)}"
    return f"{signed}.{part(hmac.digest(key, signed.encode(), digest))}"


@contextmanager
def recording() -> Iterator[tuple[str, list[bytes]]]:
    """A server elsewhere that nobody must ask for keys: its address, and what asked it."""
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


class Forge:
    """Everything somebody could know or make: one session's tokens, our public key, own keys."""

    def __init__(self, session: SignedIn, jwk: dict[str, str], elsewhere: str) -> None:
        self.token, self.refresh = session.access, session.refresh
        self.head, self.body, self.signature = self.token.split(".")
        self.header: Claims = jwt.get_unverified_header(self.token)
        self.claims: Claims = jwt.decode(self.token, options={"verify_signature": False})
        self.jwk = jwk
        self.elsewhere = elsewhere
        self.public = jwt.PyJWK(jwk).key
        self.own = ec.generate_private_key(ec.SECP256R1())
        self.own_384 = ec.generate_private_key(ec.SECP384R1())
        self.own_rsa = rsa.generate_private_key(65537, 2048)

    @classmethod
    def at(cls, service: ServiceProcess, session: SignedIn, elsewhere: str) -> Forge:
        """One that knows a session of a service, and its newest published key."""
        jwks = httpx.get(f"{service.url}/.well-known/jwks.json").json()
        return cls(session, jwks["keys"][0], elsewhere)

    def unsigned(self, alg: str, signature: str = "") -> str:
        return f"{part({**self.header, 'alg': alg})}.{self.body}.{signature}"

    def hs_with(self, key: bytes, alg: str = "HS256", **header: Any) -> str:
        return hs({**self.header, "alg": alg, **header}, self.claims, key)

    def own_signed(self, header: Claims | None = None, alg: str = "ES256", **claims: Any) -> str:
        key: Any = {"ES384": self.own_384, "RS256": self.own_rsa, "PS256": self.own_rsa}.get(
            alg, self.own
        )
        headers = {**self.header, "alg": alg, **(header or {})}
        return jwt.encode({**self.claims, **claims}, key, algorithm=alg, headers=headers)

    def rewritten(self, claims: str) -> str:
        """Our own header and signature around other claims."""
        return f"{self.head}.{part(claims.encode())}.{self.signature}"

    def own_public_jwk(self) -> dict[str, Any]:
        return dict(jwt.algorithms.ECAlgorithm.to_jwk(self.own.public_key(), as_dict=True))

    def public_bytes(self, encoding: Encoding, form: PublicFormat) -> bytes:
        content: bytes = self.public.public_bytes(encoding, form)
        return content


def private_key(corner: Corner, kid: str) -> ec.EllipticCurvePrivateKey:
    """A private key of ours, as only the service and its database can unseal it."""
    rows = corner.rows("SELECT sealed_private FROM signing_keys WHERE kid = $1", kid)
    plain = MasterKey(MASTER_KEY).unseal(rows[0]["sealed_private"], bound_to=kid)
    key = serialization.load_der_private_key(plain, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


SPKI = PublicFormat.SubjectPublicKeyInfo
FORGERIES: dict[str, Callable[[Forge], str]] = {
    "alg none": lambda f: f.unsigned("none"),
    "alg None": lambda f: f.unsigned("None"),
    "alg nOnE": lambda f: f.unsigned("nOnE"),
    "alg none, our signature": lambda f: f.unsigned("none", f.signature),
    "alg empty": lambda f: f.unsigned(""),
    "alg missing": lambda f: f"{part({'typ': 'at+jwt', 'kid': f.header['kid']})}.{f.body}.",
    "alg a number": lambda f: f"{part({**f.header, 'alg': 1})}.{f.body}.{f.signature}",
    "alg a list": lambda f: f"{part({**f.header, 'alg': ['ES256']})}.{f.body}.{f.signature}",
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
    "kid missing": lambda f: f"{part({'alg': 'ES256', 'typ': 'at+jwt'})}.{f.body}.{f.signature}",
    "kid a number": lambda f: f"{part({**f.header, 'kid': 1})}.{f.body}.{f.signature}",
    "kid a list": lambda f: f"{part({**f.header, 'kid': [1]})}.{f.body}.{f.signature}",
    "kid an object": lambda f: f"{part({**f.header, 'kid': {}})}.{f.body}.{f.signature}",
    "kid a nul": lambda f: f.own_signed({"kid": "\0"}),
    "jwk of its own": lambda f: f.own_signed({"jwk": f.own_public_jwk()}),
    "jku elsewhere": lambda f: f.own_signed({"jku": f.elsewhere}),
    "jku elsewhere, unknown kid": lambda f: f.own_signed({"jku": f.elsewhere, "kid": "1"}),
    "x5u elsewhere": lambda f: f.own_signed({"x5u": f.elsewhere}),
    "x5c of its own": lambda f: f.own_signed({"x5c": ["MIIB"]}),
    "crit unknown": lambda f: f.own_signed({"crit": ["unknown"], "unknown": 1}),
    "crit put before our signature": lambda f: (
        f"{part({**f.header, 'crit': ['b64'], 'b64': False})}.{f.body}.{f.signature}"
    ),
    "claims of another": lambda f: (
        f"{f.head}.{part({**f.claims, 'sub': str(uuid.uuid4())})}.{f.signature}"
    ),
    "exp moved": lambda f: f"{f.head}.{part({**f.claims, 'exp': 2**33})}.{f.signature}",
    "typ jwt": lambda f: f"{part({**f.header, 'typ': 'JWT'})}.{f.body}.{f.signature}",
    "signature stripped": lambda f: f"{f.head}.{f.body}.",
    "signature missing": lambda f: f"{f.head}.{f.body}",
    "signature cut": lambda f: f.token[:-4],
    "signature doubled": lambda f: f.token + f.signature,
    "signature zeros": lambda f: f"{f.head}.{f.body}.{part(bytes(64))}",
    "signature r of zero": lambda f: f"{f.head}.{f.body}.{part(bytes(32) + b'1' * 32)}",
    "signature of the order": lambda f: (
        f"{f.head}.{f.body}."
        + part(
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
    "header no json": lambda f: f"{part(b'{')}.{f.body}.{f.signature}",
    "header a list": lambda f: f"{part([])}.{f.body}.{f.signature}",
    "header null": lambda f: f"{part(None)}.{f.body}.{f.signature}",
    "header no utf-8": lambda f: f"{part(bytes([255, 254]))}.{f.body}.{f.signature}",
    "header nested deep": lambda f: f"{part(b'[' * 2900)}.{f.body}.",
    "header with alg twice": lambda f: (
        part(f'{{"alg":"none","typ":"at+jwt","kid":"{f.header["kid"]}","alg":"ES256"}}'.encode())
        + f".{f.body}.{f.signature}"
    ),
    "no base64": lambda f: f"{f.head}.!!!.{f.signature}",
    "not ascii": lambda f: f"{f.token[:-1]}ü",
    "9 kB": lambda f: f.own_signed(padding="x" * 9000),
    "a nul's worth": lambda _: "0",
    "a refresh token": lambda f: f.refresh,
    "a refresh token's text as the claims": lambda f: f"{f.head}.{f.refresh}.{f.signature}",
    "claims twice": lambda f: f.rewritten('{"sub":"x",' + json.dumps(f.claims)[1:]),
    "claims no json": lambda f: f.rewritten("{"),
    "claims a list": lambda f: f.rewritten("[]"),
    "claims empty": lambda f: f.rewritten(""),
    "claims nested deep": lambda f: f.rewritten("[" * 2900),
    "exp of 1e400": lambda f: f.rewritten('{"exp":1e400,' + json.dumps(f.claims)[1:]),
}

# Signed with our own key: what must be refused although the signature is right.
MISCLAIMED: dict[str, tuple[Claims, Claims]] = {
    "exp a second past": ({}, {"exp": int(time.time()) - 1}),
    "exp 61 s past": ({}, {"exp": int(time.time()) - 61}),
    "exp missing": ({}, {"exp": None}),
    "exp a fraction": ({}, {"exp": 2**33 + 0.5}),
    "exp a number as text": ({}, {"exp": str(2**33)}),
    "exp true": ({}, {"exp": True}),
    "exp a text": ({}, {"exp": "tomorrow"}),
    "exp a list": ({}, {"exp": [2**33]}),
    "exp negative": ({}, {"exp": -1}),
    "exp zero": ({}, {"exp": 0}),
    "exp endless": ({}, {"exp": float("inf")}),
    "exp no number": ({}, {"exp": float("nan")}),
    "nbf to come": ({}, {"nbf": int(time.time()) + 3600}),
    "nbf a text": ({}, {"nbf": "now"}),
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


def sign(header: Claims, claims: Claims, key: ec.EllipticCurvePrivateKey) -> str:
    """ES256 by hand, because PyJWT would not sign half of it; a None is left out."""
    signed = ".".join(part(_without_none(content)) for content in (header, claims))
    algorithm = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256)
    return f"{signed}.{part(algorithm.sign(signed.encode(), key))}"


def _without_none(content: Claims) -> Claims:
    return {name: value for name, value in content.items() if value is not None}
