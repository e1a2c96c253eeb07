"""A Clerk on this machine: it publishes keys, signs session tokens, and fails in every way.

Its `url` is the issuer; `GET /token?user=user_…` hands a session token to any page that asks.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

JWKS_PATH = "/.well-known/jwks.json"
PARTY = "http://localhost:5173"
LIFETIME_SECONDS = 60
HUGE = 4 * 1024 * 1024

Behaviour = Literal["well", "hang", "trickle", "error", "garbage", "huge", "redirect", "close"]
Claims = dict[str, Any]


@dataclass(frozen=True)
class ClerkKey:
    private: RSAPrivateKey
    kid: str = field(default_factory=lambda: f"ins_{secrets.token_hex(12)}")

    @classmethod
    def made(cls, bits: int = 2048) -> ClerkKey:
        return cls(generate_private_key(65537, bits))

    @property
    def pem(self) -> str:
        form = PublicFormat.SubjectPublicKeyInfo
        return self.private.public_key().public_bytes(Encoding.PEM, form).decode()

    @property
    def jwk(self) -> Claims:
        public = RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {"use": "sig", "kty": "RSA", "kid": self.kid, "alg": "RS256"} | {
            name: public[name] for name in ("n", "e")
        }


@dataclass
class ClerkIssuer:
    """`published` is what its JWKS lists; the first of `keys` signs. `asked` counts JWKS requests,
    `strayed` those for anything that nobody should ask for."""

    url: str
    keys: list[ClerkKey]
    published: list[Claims]
    behaviour: Behaviour = "well"
    asked: int = 0
    strayed: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[ClerkIssuer]:
        key = ClerkKey.made()
        issuer = cls("", [key], [key.jwk])
        server = _Server(issuer)
        issuer.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        yield issuer
        issuer.released.set()
        server.shutdown()
        server.server_close()

    @property
    def settings(self) -> dict[str, str]:
        """Variables of a user service that knows this issuer by its JWKS."""
        return {"CLERK_ISSUER": self.url, "CLERK_JWKS_URL": self.url + JWKS_PATH}

    @property
    def settings_by_pem(self) -> dict[str, str]:
        """Variables of one that knows the first key, and asks nobody."""
        return {"CLERK_ISSUER": self.url, "CLERK_JWT_KEY": self.keys[0].pem}

    def rotate(self) -> ClerkKey:
        """Sign with a new key from now on, and publish no other; returns the old one."""
        old, new = self.keys[0], ClerkKey.made()
        self.keys.insert(0, new)
        self.published = [new.jwk]
        return old

    @contextmanager
    def behaving(self, behaviour: Behaviour) -> Iterator[None]:
        self.behaviour = behaviour
        yield
        self.behaviour = "well"
        self.released.set()
        self.released = threading.Event()

    def claims(self, user_id: str, **changes: Any) -> Claims:
        """What Clerk's session tokens say, version 2; a change to None leaves a claim out."""
        now = int(time.time())
        claims = {
            "azp": PARTY,
            "exp": now + LIFETIME_SECONDS,
            "fva": [0, -1],
            "iat": now,
            "iss": self.url,
            "jti": secrets.token_hex(10),
            "nbf": now - 10,
            "sid": f"sess_{secrets.token_hex(12)}",
            "sts": "active",
            "sub": user_id,
            "v": 2,
        }
        return {k: v for k, v in (claims | changes).items() if v is not None}

    def headers(self, **changes: Any) -> Claims:
        headers = {"cat": "cl_B7d4PD111AAA", "kid": self.keys[0].kid, "typ": "JWT"}
        return {k: v for k, v in (headers | changes).items() if v is not None}

    def session_token(self, user_id: str, **claims: Any) -> str:
        return jwt.encode(
            self.claims(user_id, **claims),
            self.keys[0].private,
            algorithm="RS256",
            headers=self.headers(),
        )


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, stage: ClerkIssuer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.stage = stage

    def handle_error(self, request: object, client_address: object) -> None:
        """Somebody who has heard enough hangs up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        stage: ClerkIssuer = self.server.stage  # type: ignore[attr-defined]
        parts = urlsplit(self.path)
        if parts.path == JWKS_PATH:
            stage.asked += 1
            getattr(self, f"_{stage.behaviour}")(stage)
        elif parts.path == "/token":
            (user_id,) = parse_qs(parts.query)["user"]
            self._answer({"token": stage.session_token(user_id)})
        else:
            stage.strayed.append(self.path)
            self._well(stage)

    def do_OPTIONS(self) -> None:
        self._answer({})

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, body: object, status: int = 200, location: str = "") -> None:
        encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(encoded)))
        self.send_header("access-control-allow-origin", "*")
        self.send_header("access-control-allow-headers", "*")
        if location:
            self.send_header("location", location)
        self.end_headers()
        self.wfile.write(encoded)

    def _well(self, stage: ClerkIssuer) -> None:
        self._answer({"keys": stage.published})

    def _hang(self, stage: ClerkIssuer) -> None:
        stage.released.wait(20)
        self.close_connection = True

    def _trickle(self, stage: ClerkIssuer) -> None:
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        while not stage.released.wait(0.1):
            self.wfile.write(b" ")

    def _error(self, stage: ClerkIssuer) -> None:
        self._answer({"keys": stage.published}, 500)

    def _garbage(self, stage: ClerkIssuer) -> None:
        self._answer(b"<html>Sign in to the hotel's network \xff</html>")

    def _huge(self, stage: ClerkIssuer) -> None:
        self._answer(b" " * HUGE + json.dumps({"keys": stage.published}).encode())

    def _redirect(self, stage: ClerkIssuer) -> None:
        self._answer({"keys": stage.published}, 302, location="/elsewhere")

    def _close(self, stage: ClerkIssuer) -> None:
        self.close_connection = True
