"""An issuer that tests may have say anything: it signs, publishes keys and introspects."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

AUDIENCE = "gatepost"
LIFETIME = 900
Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class StandIn:
    """`keys` are published and the last one signs. `answer_…` replace what it says of itself."""

    url: str
    keys: dict[str, ec.EllipticCurvePrivateKey]
    max_age: int = 300
    fetches: int = 0
    asked: list[dict[str, str]] = field(default_factory=list)
    credentials: list[str] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)
    answer_jwks: Answering | None = None
    answer_introspect: Answering | None = None

    @classmethod
    @asynccontextmanager
    async def opened(cls) -> AsyncIterator[StandIn]:
        stand_in = cls("", {"k1": ec.generate_private_key(ec.SECP256R1())})
        app = web.Application()
        app.router.add_get("/.well-known/jwks.json", stand_in._jwks)
        app.router.add_post("/introspect", stand_in._introspect)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        stand_in.url = f"http://127.0.0.1:{port}"
        yield stand_in
        await runner.cleanup()

    def token(
        self, *, kid: str | None = None, header: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        """A new session's, unless `claims` say otherwise."""
        now = int(time.time())
        said = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": str(uuid.uuid4()),
            "sid": str(uuid.uuid4()),
            "iat": now,
            "exp": now + LIFETIME,
            "jti": uuid.uuid4().hex,
        } | claims
        signs = kid or list(self.keys)[-1]
        headers = {"kid": signs, "typ": "at+jwt", **(header or {})}
        return jwt.encode(said, self.keys[signs], algorithm="ES256", headers=headers)

    def add_key(self, kid: str) -> None:
        self.keys[kid] = ec.generate_private_key(ec.SECP256R1())

    def jwks(self) -> list[dict[str, Any]]:
        algorithm = ECAlgorithm(ECAlgorithm.SHA256)
        return [
            algorithm.to_jwk(key.public_key(), as_dict=True)
            | {"kid": kid, "use": "sig", "alg": "ES256"}
            for kid, key in self.keys.items()
        ]

    async def _jwks(self, request: web.Request) -> web.StreamResponse:
        self.fetches += 1
        if self.answer_jwks is not None:
            return await self.answer_jwks(request)
        headers = {"cache-control": f"public, max-age={self.max_age}"}
        return web.json_response({"keys": self.jwks()}, headers=headers)

    async def _introspect(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append(form)
        self.credentials.append(request.headers.get("authorization", ""))
        if self.answer_introspect is not None:
            return await self.answer_introspect(request)
        return web.json_response(self.described(form["token"]))

    def described(self, token: str) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
        if claims["sid"] in self.ended:
            return {"active": False}
        return {"active": True, "token_type": "Bearer", "username": "ann", **claims}


async def silent(_: web.Request) -> web.StreamResponse:
    """Answers later than anybody waits."""
    await asyncio.sleep(60)
    return web.Response()


def saying(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Answering:
    """The same answer whatever is asked."""

    async def answer(_: web.Request) -> web.StreamResponse:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return web.Response(body=content, status=status, headers=headers)

    return answer
