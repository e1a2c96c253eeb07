"""Forged and misclaimed session tokens of Clerk's."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha384, sha512
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.clerk_issuer import ClerkIssuer, ClerkKey
from tests.user_service.forged_tokens import Claims, hs, part

ENDLESS = 2**33
WEAK = ClerkKey.made(1024)
OCT_SECRET = b"a symmetric key that Clerk would never publish"
PSS = padding.PSS(padding.MGF1(hashes.SHA256()), 32)


def rs(header: Claims, claims: object, key: rsa.RSAPrivateKey, **scheme: Any) -> str:
    """RS256 by hand, because PyJWT would not sign half of it."""
    signed = f"{part(header)}.{part(claims)}"
    way = scheme.get("way", padding.PKCS1v15())
    return f"{signed}.{part(key.sign(signed.encode(), way, scheme.get('digest', hashes.SHA256())))}"


def unusable_keys() -> list[Claims]:
    """What a JWKS may list besides the keys that sign."""
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    encryption = ClerkKey.made()
    return [
        {"kty": "oct", "kid": "oct", "k": part(OCT_SECRET), "alg": "HS256", "use": "sig"},
        {"kty": "oct", "kid": "oct-rs256", "k": part(OCT_SECRET), "alg": "RS256"},
        WEAK.jwk,
        jwt.algorithms.ECAlgorithm.to_jwk(curve, as_dict=True) | {"kid": "ec"},
        encryption.jwk | {"use": "enc"},
        encryption.jwk | {"kid": "rs512", "alg": "RS512"},
        {"kty": "RSA", "kid": "empty", "n": "", "e": ""},
        {"kty": "RSA", "kid": "no-n", "e": "AQAB"},
        {"kty": "RSA", "kid": 1},
        encryption.jwk | {"kid": "even", "e": "Ag"},
    ]


@dataclass
class ClerkForge:
    """Everything somebody could know or make: a Clerk session, our own session's token, own keys,
    and Clerk's public key. What is signed with `clerk` shows what we refuse though Clerk says it.
    """

    issuer: ClerkIssuer
    user_id: str
    ours: str
    elsewhere: str
    own: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    def __post_init__(self) -> None:
        self.clerk = self.issuer.keys[0].private
        self.token = self.issuer.session_token(self.user_id)
        self.head, self.body, self.signature = self.token.split(".")
        self.header: Claims = jwt.get_unverified_header(self.token)
        self.claims: Claims = jwt.decode(self.token, options={"verify_signature": False})
        self.public = self.clerk.public_key()

    def unsigned(self, alg: object, signature: str = "") -> str:
        return f"{part({**self.header, 'alg': alg})}.{self.body}.{signature}"

    def hs_with(self, key: bytes, **header: Any) -> str:
        return hs({**self.header, "alg": "HS256", **header}, self.claims, key)

    def own_signed(self, **header: Any) -> str:
        return rs(self.header | header, self.claims, self.own)

    def clerk_signed(self, header: Claims | None = None, **claims: Any) -> str:
        said = {k: v for k, v in (self.claims | claims).items() if v is not None}
        headed = {k: v for k, v in (self.header | (header or {})).items() if v is not None}
        return rs(headed, said, self.clerk)

    def rewritten(self, claims: bytes) -> str:
        return f"{self.head}.{part(claims)}.{self.signature}"

    def public_bytes(self, encoding: Encoding, form: PublicFormat) -> bytes:
        return self.public.public_bytes(encoding, form)

    @property
    def our_parts(self) -> tuple[Claims, str, str]:
        """Header, claims and signature of our own token."""
        _, claims, signature = self.ours.split(".")
        return jwt.get_unverified_header(self.ours), claims, signature

    def flipped(self, place: int) -> str:
        other = "A" if self.token[place] != "A" else "B"
        return self.token[:place] + other + self.token[place + 1 :]

    def own_curve(self) -> str:
        key = ec.generate_private_key(ec.SECP256R1())
        return jwt.encode(self.claims, key, algorithm="ES256", headers=self.header | {"alg": None})


SPKI = PublicFormat.SubjectPublicKeyInfo
FORGERIES: dict[str, Callable[[ClerkForge], str]] = {
    "alg none": lambda f: f.unsigned("none"),
    "alg None": lambda f: f.unsigned("None"),
    "alg none, Clerk's signature": lambda f: f.unsigned("none", f.signature),
    "alg empty": lambda f: f.unsigned(""),
    "alg a number": lambda f: f.unsigned(1, f.signature),
    "alg a list": lambda f: f.unsigned(["RS256"], f.signature),
    "alg missing": lambda f: f"{part({'kid': f.header['kid']})}.{f.body}.{f.signature}",
    "alg in lower case": lambda f: f.clerk_signed({"alg": "rs256"}),
    "hs256 with the pem": lambda f: f.hs_with(f.public_bytes(Encoding.PEM, SPKI)),
    "hs256 with the pem, stripped": lambda f: f.hs_with(f.public_bytes(Encoding.PEM, SPKI).strip()),
    "hs256 with the der": lambda f: f.hs_with(f.public_bytes(Encoding.DER, SPKI)),
    "hs256 with the jwk": lambda f: f.hs_with(json.dumps(f.issuer.keys[0].jwk).encode()),
    "hs256 with no key": lambda f: f.hs_with(b""),
    "hs256 named rs256": lambda f: f.hs_with(f.public_bytes(Encoding.PEM, SPKI), alg="RS256"),
    "hs256 with a published symmetric key": lambda f: f.hs_with(OCT_SECRET, kid="oct"),
    "hs256 named rs256 with a published symmetric key": lambda f: f.hs_with(
        OCT_SECRET, kid="oct-rs256", alg="RS256"
    ),
    "hs384 with the pem": lambda f: hs(
        {**f.header, "alg": "HS384"}, f.claims, f.public_bytes(Encoding.PEM, SPKI), sha384
    ),
    "hs512 with the pem": lambda f: hs(
        {**f.header, "alg": "HS512"}, f.claims, f.public_bytes(Encoding.PEM, SPKI), sha512
    ),
    "rs512 with Clerk's key": lambda f: rs(
        {**f.header, "alg": "RS512"}, f.claims, f.clerk, digest=hashes.SHA512()
    ),
    "rs512 named rs256": lambda f: rs(f.header, f.claims, f.clerk, digest=hashes.SHA512()),
    "ps256 with Clerk's key": lambda f: rs(
        {**f.header, "alg": "PS256"}, f.claims, f.clerk, way=PSS
    ),
    "ps256 named rs256": lambda f: rs(f.header, f.claims, f.clerk, way=PSS),
    "es256 with an own key": lambda f: f.own_curve(),
    "a published key that is too short": lambda f: rs(
        f.header | {"kid": WEAK.kid}, f.claims, WEAK.private
    ),
    "own key": lambda f: f.own_signed(),
    "own key, unknown kid": lambda f: f.own_signed(kid="ins_of_mine"),
    "own key, kid of an unusable one": lambda f: f.own_signed(kid="no-n"),
    "kid a path": lambda f: f.own_signed(kid="../../dev/null"),
    "kid a statement": lambda f: f.own_signed(kid="' or 1=1--"),
    "kid 2 kB": lambda f: f.own_signed(kid="k" * 2000),
    "kid empty": lambda f: f.own_signed(kid=""),
    "kid a number": lambda f: f.own_signed(kid=1),
    "kid a list": lambda f: f.own_signed(kid=[1]),
    "kid an object": lambda f: f.own_signed(kid={}),
    "kid null": lambda f: f.own_signed(kid=None),
    "kid a nul": lambda f: f.own_signed(kid="\0"),
    "jwk of its own": lambda f: f.own_signed(jwk=ClerkKey(f.own).jwk),
    "jku elsewhere": lambda f: f.own_signed(jku=f.elsewhere),
    "jku elsewhere, unknown kid": lambda f: f.own_signed(jku=f.elsewhere, kid="1"),
    "x5u elsewhere": lambda f: f.own_signed(x5u=f.elsewhere),
    "x5c of its own": lambda f: f.own_signed(x5c=["MIIB"]),
    "iss elsewhere": lambda f: rs(f.header, f.claims | {"iss": f.elsewhere}, f.own),
    "crit unknown": lambda f: f.clerk_signed({"crit": ["unknown"], "unknown": 1}),
    "crit b64": lambda f: f.clerk_signed({"crit": ["b64"], "b64": True}),
    "crit empty": lambda f: f.clerk_signed({"crit": []}),
    "typ of ours": lambda f: f.clerk_signed({"typ": "at+jwt"}),
    "typ of ours, in capitals": lambda f: f.clerk_signed({"typ": "AT+JWT"}),
    "typ of ours, kid of ours": lambda f: f.clerk_signed(
        {"typ": "at+jwt", "kid": f.our_parts[0]["kid"]}
    ),
    "typ another": lambda f: f.clerk_signed({"typ": "dpop+jwt"}),
    "typ a number": lambda f: f.clerk_signed({"typ": 1}),
    "typ a list": lambda f: f.clerk_signed({"typ": ["JWT"]}),
    "ours, typ changed": lambda f: (
        f"{part({**f.our_parts[0], 'typ': 'JWT'})}.{f.our_parts[1]}.{f.our_parts[2]}"
    ),
    "ours, typ left out": lambda f: (
        f"{part({'alg': 'ES256', 'kid': f.our_parts[0]['kid']})}.{f.our_parts[1]}.{f.our_parts[2]}"
    ),
    "ours, header of Clerk's": lambda f: f"{f.head}.{f.our_parts[1]}.{f.our_parts[2]}",
    "our header, signed by Clerk": lambda f: rs(f.our_parts[0], f.claims, f.clerk),
    "our claims, signed by Clerk": lambda f: rs(
        f.header, jwt.decode(f.ours, options={"verify_signature": False}), f.clerk
    ),
    "our header and claims, signed by Clerk": lambda f: rs(
        f.our_parts[0], jwt.decode(f.ours, options={"verify_signature": False}), f.clerk
    ),
    "claims of another": lambda f: f.rewritten(
        json.dumps(f.claims | {"sub": f"user_{uuid4().hex}"}).encode()
    ),
    "exp moved": lambda f: f.rewritten(json.dumps(f.claims | {"exp": ENDLESS}).encode()),
    "signature stripped": lambda f: f"{f.head}.{f.body}.",
    "signature missing": lambda f: f"{f.head}.{f.body}",
    "signature cut": lambda f: f.token[:-4],
    "signature doubled": lambda f: f.token + f.signature,
    "signature zeros": lambda f: f"{f.head}.{f.body}.{part(bytes(256))}",
    "signature ones": lambda f: f"{f.head}.{f.body}.{part(bytes(255) + bytes([1]))}",
    "signature of the modulus": lambda f: (
        f"{f.head}.{f.body}.{part(f.public.public_numbers().n.to_bytes(256))}"
    ),
    "a bit of the header flipped": lambda f: f.flipped(5),
    "a bit of the claims flipped": lambda f: f.flipped(len(f.head) + 9),
    "a bit of the signature flipped": lambda f: f.flipped(len(f.token) - 9),
    "two tokens": lambda f: f"{f.token} {f.token}",
    "two tokens with a comma": lambda f: f"{f.token},{f.token}",
    "a second scheme": lambda f: f"Bearer {f.token}",
    "five parts": lambda f: f"{f.token}.{f.token}",
    "the body alone": lambda f: f.body,
    "dots": lambda _: "..",
    "a user's id": lambda f: f.user_id,
    "header no json": lambda f: f"{part(b'{')}.{f.body}.{f.signature}",
    "header a list": lambda f: f"{part([])}.{f.body}.{f.signature}",
    "header null": lambda f: f"{part(None)}.{f.body}.{f.signature}",
    "header no utf-8": lambda f: f"{part(bytes([255, 254]))}.{f.body}.{f.signature}",
    "header nested deep": lambda f: f"{part(b'[' * 2200)}.{f.body}.",
    "header with objects nested deep": lambda f: part(b'{"a":' * 500) + f".{f.body}.",
    "header with alg twice": lambda f: (
        part(f'{{"alg":"none","kid":"{f.header["kid"]}","alg":"RS256"}}'.encode())
        + f".{f.body}.{f.signature}"
    ),
    "header with typ twice": lambda f: (
        part(f'{{"alg":"RS256","typ":"at+jwt","kid":"{f.header["kid"]}","typ":"JWT"}}'.encode())
        + f".{f.body}.{f.signature}"
    ),
    "claims twice": lambda f: f.rewritten(b'{"sub":"user_x",' + json.dumps(f.claims)[1:].encode()),
    "claims no json": lambda f: rs(f.header, b"{", f.clerk),
    "claims a list": lambda f: rs(f.header, [], f.clerk),
    "claims empty": lambda f: rs(f.header, b"", f.clerk),
    "claims nested deep": lambda f: rs(f.header, b"[" * 2200, f.clerk),
    "no base64": lambda f: f"{f.head}.!!!.{f.signature}",
    "not ascii": lambda f: f"{f.token[:-1]}ü",
    "5 kB": lambda f: f.clerk_signed(padding="x" * 4000),
    "20 kB": lambda f: f.clerk_signed(padding="x" * 15_000),
    "20 kB of header": lambda f: f"{part({**f.header, 'x': 'x' * 15_000})}.{f.body}.{f.signature}",
}

# No ids of Clerk's users, whoever may be linked to them.
ODD_SUBJECTS = {
    "sub of an organisation": "org_2abcdefghijklmnopqrstuvwxyz",
    "sub an id of ours": str(uuid4()),
    "sub empty": "",
    "sub a prefix": "user_",
    "sub a statement": "user_' or 1=1--",
    "sub a line": "user_abc\n",
    "sub long": "user_" + "a" * 300,
}

# Signed with Clerk's own key, about somebody whom we know: what must be refused all the same.
MISCLAIMED: dict[str, Claims] = {
    "exp long past": {"exp": int(time.time()) - 3600},
    "exp missing": {"exp": None},
    "exp a fraction": {"exp": ENDLESS + 0.5},
    "exp a whole fraction": {"exp": float(ENDLESS)},
    "exp a text": {"exp": str(ENDLESS)},
    "exp true": {"exp": True},
    "exp a list": {"exp": [ENDLESS]},
    "exp negative": {"exp": -1},
    "exp endless": {"exp": float("inf")},
    "exp no number": {"exp": float("nan")},
    "nbf to come": {"nbf": ENDLESS},
    "nbf missing": {"nbf": None},
    "nbf a text": {"nbf": "1"},
    "nbf false": {"nbf": False},
    "nbf a fraction": {"nbf": 1.5},
    "nbf a list": {"nbf": [1]},
    "iat to come": {"iat": ENDLESS},
    "iat missing": {"iat": None},
    "iat a text": {"iat": "1"},
    "iat true": {"iat": True},
    "iat a fraction": {"iat": 1.5},
    "iss another": {"iss": "https://clerk.evil.example"},
    "iss missing": {"iss": None},
    "iss a list": {"iss": ["https://clerk.evil.example"]},
    "iss empty": {"iss": ""},
    "aud of another service": {"aud": "convex"},
    "azp another": {"azp": "https://evil.example"},
    "azp missing": {"azp": None},
    "azp empty": {"azp": ""},
    "azp a list": {"azp": ["http://localhost:5173"]},
    "azp a longer one": {"azp": "http://localhost:5173.evil.example"},
    "sub missing": {"sub": None},
    "sub a number": {"sub": 1},
    "sub a list": {"sub": []},
    "sub with a nul": {"sub": "user_a\0b"},
    **{what: {"sub": sub} for what, sub in ODD_SUBJECTS.items()},
    "sub of a user that nobody has heard of": {"sub": f"user_{uuid4().hex}"},
    "sid missing": {"sid": None},
    "sid empty": {"sid": ""},
    "sid a number": {"sid": 1},
    "sts pending": {"sts": "pending"},
    "sts a number": {"sts": 1},
    "sts true": {"sts": True},
}
