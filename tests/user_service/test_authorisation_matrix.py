"""Who may do what: every route of the OpenAPI file, tried by everybody, without a surprise.

Each sends a sensible request, made with what is theirs; ids in a path are the victim's.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID, uuid4

import httpx
import jwt
import pytest

from tests.clerk_issuer import ClerkIssuer
from tests.corner import Corner
from tests.people import Person, SignedIn, fresh_network
from tests.service_process import ServiceProcess
from tests.unlimited import UNLIMITED
from tests.user_service.accounts import link
from tests.user_service.forged_tokens import private_key, sign
from tests.user_service.sensible_requests import BODIES, CHEAPEST, Subject
from user_service.identity.clients import digest_of

# The service does it all: the tracer would only take time here.
pytestmark = pytest.mark.no_cover

CALLERS = (
    "nobody",  # has an account, but sends no token
    "a user",  # the victim
    "another user",
    "an admin",
    "expired",  # the victim, with an access token that has expired
    "logged out",  # the victim, after a logout
    "disabled",  # the victim, whose account is disabled
    "a service",  # with client credentials and no token
    "a Clerk session",  # the victim, by Clerk's session token
)


def everyone(status: int) -> tuple[int, ...]:
    return (status,) * len(CALLERS)


#          nobody user other admin expired logged-out disabled service Clerk
OWN = (401, 200, 200, 200, 401, 401, 401, 401, 401)
OWN_PROFILE = (401, 200, 200, 200, 401, 401, 401, 401, 200)
OWN_202 = (401, 202, 202, 202, 401, 401, 401, 401, 401)
OWN_410 = (401, 410, 410, 410, 401, 401, 401, 401, 401)  # no such code
OWNER = (401, 200, 404, 404, 401, 401, 401, 401, 401)
ADMIN = (401, 403, 403, 200, 401, 401, 401, 401, 401)
ADMIN_OR_SERVICE = (401, 403, 403, 200, 401, 401, 401, 200, 401)
SERVICE = (401, 401, 401, 401, 401, 401, 401, 200, 401)
PASSWORD = (200, 200, 200, 200, 200, 200, 401, 200, 200)
REFRESH_TOKEN = (200, 200, 200, 200, 200, 401, 401, 200, 200)

MATRIX = {
    "POST /api/auth/register": everyone(202),
    "POST /api/auth/resend-otp": everyone(410),
    "POST /api/auth/verify-otp": everyone(410),
    "POST /api/auth/login": PASSWORD,
    "POST /api/auth/refresh": REFRESH_TOKEN,
    "POST /api/auth/logout": OWN,
    "GET /api/auth/sessions": OWN,
    "DELETE /api/auth/sessions": OWN,
    "DELETE /api/auth/sessions/{session_id}": OWNER,
    "POST /api/auth/password-recovery": everyone(202),
    "POST /api/auth/reset-password": everyone(410),
    "GET /api/auth/profile": OWN_PROFILE,
    "GET /v1/me": OWN_PROFILE,
    "PATCH /api/auth/profile": OWN,
    "DELETE /api/auth/profile": OWN,
    "POST /api/auth/change-password": OWN,
    "POST /api/auth/change-email": OWN_202,
    "POST /api/auth/change-email/verify": OWN_410,
    "GET /api/users/by-clerk-id/{clerk_id}": ADMIN_OR_SERVICE,
    "GET /api/admin/users": ADMIN,
    "GET /api/admin/users/{user_id}": ADMIN,
    "POST /api/admin/users/{user_id}/disable": ADMIN,
    "POST /api/admin/users/{user_id}/enable": ADMIN,
    "POST /api/admin/users/{user_id}/force-password-reset": ADMIN,
    "DELETE /api/admin/users/{user_id}/sessions": ADMIN,
    "DELETE /api/admin/users/{user_id}": ADMIN,
    "GET /api/admin/audit": ADMIN,
    "POST /token": tuple(400 if status == 401 else status for status in PASSWORD),  # RFC 6749
    "POST /validate": OWN,
    "POST /introspect": SERVICE,
    "POST /revoke": SERVICE,
    "POST /webhooks/clerk": everyone(404),  # no secret: see test_clerk_webhooks
    "POST /api/webhook/clerk": everyone(404),
    "GET /.well-known/jwks.json": everyone(200),
    "GET /.well-known/oauth-authorization-server": everyone(200),
    "GET /health": everyone(200),
    "GET /health/live": everyone(200),
    "GET /health/ready": everyone(200),
}
FORMS = {"POST /token", "POST /introspect", "POST /revoke"}


@dataclass
class Caller:
    """`headers` are what they prove themselves with; the account stands for `clerk_id`."""

    subject: Subject
    id: UUID
    clerk_id: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def session(self) -> str:
        claims = jwt.decode(self.subject.tokens.access, options={"verify_signature": False})
        return str(claims["sid"])


@dataclass(frozen=True)
class Town:
    """`credentials` are a service's."""

    corner: Corner
    client: httpx.Client
    clerk: ClerkIssuer
    credentials: tuple[str, str]

    def somebody(self, role: Literal["user", "admin"] = "user") -> Caller:
        person, id = Person(), uuid4()
        self.corner.rows(
            "INSERT INTO accounts (id, email, name, password_hash, version, role)"
            " VALUES ($1, $2, 'Ann', $3, 1, $4)",
            *(id, person.email, CHEAPEST, role),
        )
        answer = self.client.post("/api/auth/login", json=person.credentials())
        data = answer.json()["data"]
        tokens = SignedIn(data["token"], data["refresh_token"])
        return Caller(Subject(person, tokens, id), id, link(self.corner, id), tokens.headers)

    def caller(self, who: str, victim: Caller) -> Caller:
        """They use the victim's token in the state that their name says, or one of their own."""
        if who == "another user":
            return self.somebody()
        if who == "an admin":
            return self.somebody("admin")
        headers = victim.headers
        if who == "nobody":
            headers = {}
        elif who == "expired":
            headers = {"authorization": f"Bearer {self._expired(victim)}"}
        elif who == "logged out":
            self.client.post("/api/auth/logout", headers=headers).raise_for_status()
        elif who == "disabled":
            # The status alone, though whoever disables ends the sessions too.
            self.corner.rows("UPDATE accounts SET status = 'disabled' WHERE id = $1", victim.id)
        elif who == "a service":
            pair = base64.b64encode(":".join(self.credentials).encode()).decode()
            headers = {"authorization": f"Basic {pair}"}
        elif who == "a Clerk session":
            token = self.clerk.session_token(victim.clerk_id)
            headers = {"authorization": f"Bearer {token}"}
        return Caller(victim.subject, victim.id, victim.clerk_id, headers)

    def _expired(self, victim: Caller) -> str:
        token = victim.subject.tokens.access
        header = jwt.get_unverified_header(token)
        claims = jwt.decode(token, options={"verify_signature": False})
        past = {**claims, "iat": claims["iat"] - 901, "exp": int(time.time()) - 1}
        return sign(header, past, private_key(self.corner, header["kid"]))

    def ask(self, label: str, caller: Caller, victim: Caller) -> httpx.Response:
        method, path = label.split()
        given: dict[str, Any] = {}
        if label in BODIES:
            given["data" if label in FORMS else "json"] = BODIES[label](caller.subject)
        self.client.cookies.clear()
        return self.client.request(
            method,
            path.format(user_id=victim.id, session_id=victim.session, clerk_id=victim.clerk_id),
            headers=caller.headers | {"x-forwarded-for": fresh_network()},
            **given,
        )

    def state(self, of: Caller) -> list[Any]:
        """All that a stranger must not change."""
        account = "SELECT to_jsonb(accounts) - 'version' FROM accounts WHERE id = $1"
        session = "SELECT id FROM sessions WHERE account_id = $1 AND ended_at IS NULL ORDER BY id"
        return [*self.corner.rows(account, of.id), *self.corner.rows(session, of.id)]


@pytest.fixture(scope="module")
def town(corner: Corner) -> Iterator[Town]:
    credentials = (f"matrix-{uuid4().hex[:8]}", "s" * 43)
    corner.rows(
        "INSERT INTO clients (id, secret_digest) VALUES ($1, $2)",
        credentials[0],
        digest_of(credentials[1]),
    )
    with (
        ClerkIssuer.started() as clerk,
        ServiceProcess.started(corner.variables, **UNLIMITED, **clerk.settings) as service,
        httpx.Client(base_url=service.url, timeout=20) as client,
    ):
        yield Town(corner, client, clerk, credentials)


def test_every_route_has_its_row(town: Town) -> None:
    paths = town.client.get("/docs/openapi.json").json()["paths"]
    described = {f"{method.upper()} {path}" for path in paths for method in paths[path]}
    assert described == set(MATRIX)


@pytest.mark.parametrize("label", MATRIX)
def test_everybody_may_what_the_matrix_says_and_nothing_else(town: Town, label: str) -> None:
    answered = []
    for who in CALLERS:
        victim = town.somebody()
        caller = town.caller(who, victim)
        before = town.state(victim)
        answer = town.ask(label, caller, victim)
        answered.append(answer.status_code)
        if who == "another user" or answer.status_code in (401, 403, 404):
            assert town.state(victim) == before, f"{who} changed somebody else's account"
            assert str(victim.id) not in answer.text
            assert victim.subject.person.email not in answer.text
    assert dict(zip(CALLERS, answered, strict=True)) == dict(
        zip(CALLERS, MATRIX[label], strict=True)
    )
