"""An installation with signing keys of its own, which no other test notices."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt

from tests import forked
from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person, log_in, member
from tests.service_process import ServiceProcess
from tests.user_service.forged_tokens import Claims, part
from tests.worker_process import WorkerProcess

# Tokens of one process are accepted by another only if both name the same issuer.
ISSUER = "http://localhost:3000"
OTHER_MASTER_KEY = "0c4e1d9be27a4836b1d27c40fae83957c6d2e1f04a7b8835906afd1c2e3b4800"
JWT_SECRET = "c81f0a7b52e94d3687aa15f0be6d2493"
DAY = timedelta(days=1)
UNTIL_IT_SIGNS = timedelta(minutes=10, seconds=1)
UNTIL_IT_EXPIRES = timedelta(minutes=1450, seconds=1)


@contextmanager
def database(corner: Corner, **beside: Any) -> Iterator[Corner]:
    """`Corner.beside`, whose processes take each other's tokens."""
    with corner.beside(**beside) as own:
        yield replace(own, variables=own.variables | {"PUBLIC_BASE_URL": ISSUER})


@contextmanager
def inhabited(corner: Corner, mailroom: Mailroom) -> Iterator[tuple[str, Person]]:
    """A database with its first key and one account: its name, and whose account it is."""
    with database(corner, migrated=True) as home:
        with ServiceProcess.started(home.variables) as service:
            person = asyncio.run(member(service, mailroom))
        yield urlsplit(home.database_url).path[1:], person


@dataclass(frozen=True)
class Installation:
    """Its processes live until the test ends."""

    corner: Corner
    person: Person
    stack: ExitStack = field(default_factory=ExitStack)

    def service(self, **settings: str) -> ServiceProcess:
        ready = settings.pop("ready", "/health/ready")
        started = ServiceProcess.started(self.corner.variables, ready=ready, **settings)
        return self.stack.enter_context(started)

    def worker(self, **settings: str) -> WorkerProcess:
        worker = self.stack.enter_context(WorkerProcess.forked(self.corner.variables, **settings))
        worker.come_up()
        return worker

    def let_pass(self, elapsed: timedelta) -> None:
        """The same as waiting, as far as signing keys can tell."""
        self.corner.rows(
            """
            UPDATE signing_keys
            SET created_at = created_at - $1::interval, signs_from = signs_from - $1::interval
            """,
            elapsed,
        )

    def kids(self) -> list[str]:
        """Those of all rows, the newest key first."""
        rows = self.corner.rows("SELECT kid FROM signing_keys ORDER BY signs_from DESC")
        return [row["kid"] for row in rows]

    def command(self, *arguments: str, **settings: str) -> tuple[int, str, str]:
        """What `keys …` ends with: its code, its output and its errors."""
        return self.run("keys", *arguments, **settings)

    def run(self, *arguments: str, **settings: str) -> tuple[int, str, str]:
        """What a command ends with."""
        variables = self.corner.variables | settings
        done = forked.ran("user_service", *arguments, variables=variables)
        assert "Traceback" not in done.stdout + done.stderr
        return done.returncode, done.stdout, done.stderr

    def listed(self, *arguments: str) -> list[tuple[str, str]]:
        """Kids and states, as a command tells them."""
        code, told, errors = self.command(*arguments, "--json")
        assert code == 0, errors
        return [(key["kid"], key["state"]) for key in json.loads(told)]

    def token(self, service: ServiceProcess) -> str:
        """A new one."""

        async def sign_in() -> httpx.Response:
            async with service.client() as client:
                return await log_in(client, self.person)

        answer = asyncio.run(sign_in())
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["data"]["token"]
        return token

    def signs(self, service: ServiceProcess, kid: str) -> bool:
        """Whether a new token is signed with this key; asked seldom, as logins are counted."""
        time.sleep(0.2)
        return kid_of(self.token(service)) == kid


def kid_of(token: str) -> str:
    kid: str = jwt.get_unverified_header(token)["kid"]
    return kid


def published(service: ServiceProcess) -> list[str]:
    answer = httpx.get(f"{service.url}/.well-known/jwks.json")
    assert answer.status_code == 200, answer.text
    keys: list[dict[str, Any]] = answer.json()["keys"]
    return [key["kid"] for key in keys]


def publishes(service: ServiceProcess, *kids: str) -> bool:
    """Whether the JWKS holds these keys and no other, the newest first."""
    return published(service) == list(kids)


def accepted(service: ServiceProcess, token: str) -> bool:
    headers = {"authorization": f"Bearer {token}"}
    answer = httpx.get(f"{service.url}/api/auth/profile", headers=headers, timeout=10)
    assert answer.status_code in (200, 401), answer.text
    return answer.status_code == 200


def read_again(service: ServiceProcess) -> None:
    """Let a process read its keys again, a second from now at most."""
    header: Claims = {"alg": "ES256", "typ": "at+jwt", "kid": "unheard-of"}
    assert not accepted(service, f"{part(header)}.{part({})}.{part(b'')}")


def eventually(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
