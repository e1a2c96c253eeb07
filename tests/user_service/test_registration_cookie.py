"""The cookie that binds a browser to its own registration, and cookies that others planted."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person, log_in, outcome, register, verify, wrong
from tests.service_process import ServiceProcess
from tests.user_service.time_travel import let_pass

pytestmark = pytest.mark.anyio

HTTPS_COOKIE = "__Host-registration"
HTTP_COOKIE = "registration"


@pytest.fixture(scope="module")
def secure(corner: Corner) -> Iterator[ServiceProcess]:
    """A service that callers reach by https, and that knows no bare codes."""
    settings = {"PUBLIC_BASE_URL": "https://auth.example.org", "UNBOUND_VERIFY": "never"}
    with ServiceProcess.started(corner.variables, **settings) as secure:
        yield secure


def planted(registration_id: str, name: str = HTTP_COOKIE) -> dict[str, str]:
    return {"cookie": f"{name}={registration_id}"}


def attributes(answer: httpx.Response) -> list[str]:
    (cookie,) = answer.headers.get_list("set-cookie")
    return sorted(part.strip().lower() for part in cookie.split(";"))


@pytest.mark.parametrize(
    ("reached_by", "name", "secured"),
    [("secure", HTTPS_COOKIE, ["secure"]), ("service", HTTP_COOKIE, [])],
    ids=["https", "http"],
)
async def test_the_cookie_is_for_this_host_and_no_script(
    request: pytest.FixtureRequest,
    mailroom: Mailroom,
    reached_by: str,
    name: str,
    secured: list[str],
) -> None:
    person = Person()
    async with request.getfixturevalue(reached_by).client(person.network) as client:
        registered = await client.post("/api/auth/register", json=person.registration())
        id = registered.json()["data"]["registration_id"]
        own = [f"{name}={id}".lower(), "httponly", "max-age=1800", "path=/", "samesite=strict"]
        assert attributes(registered) == sorted(own + secured)

        verified = await verify(client, person, id, mailroom.code(id))
        dropped = [part for part in attributes(verified) if not part.startswith(name.lower())]
        assert dropped == sorted(["httponly", "max-age=0", "path=/", "samesite=strict", *secured])


async def test_the_cookie_names_the_attempt_for_verify_and_resend(
    secure: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = Person()
    async with secure.client(person.network) as client:
        id = await register(client, person)
        own = planted(id, HTTPS_COOKIE)
        let_pass(corner, 60)
        resent = await client.post("/api/auth/resend-otp", json={}, headers=own)
        assert resent.json()["data"]["registration_id"] == id
        body = {"email": person.email, "otp": mailroom.code(id, sequence=2)}
        verified = await client.post("/api/auth/verify-otp", json=body, headers=own)
    assert verified.status_code == 201


async def test_without_unbound_verify_a_bare_code_is_refused_though_the_attempt_is_the_only_one(
    secure: ServiceProcess, mailroom: Mailroom
) -> None:
    person = Person()
    async with secure.client() as client:
        id = await register(client, person)
        for code in (mailroom.code(id), wrong(mailroom.code(id))):
            refused = await verify(client, person, None, code)
            assert outcome(refused) == (400, "registration_id_required")
            assert "Send the registration_id" in refused.json()["detail"]
        assert (await verify(client, person, id, mailroom.code(id))).status_code == 201


async def test_on_https_a_cookie_without_the_host_prefix_names_nothing(
    secure: ServiceProcess, mailroom: Mailroom
) -> None:
    """A neighbouring subdomain can plant `registration`, and no browser lets it plant __Host-."""
    person = Person()
    async with secure.client(person.network) as client:
        id = await register(client, person)
        body = {"email": person.email, "otp": mailroom.code(id)}
        refused = await client.post("/api/auth/verify-otp", json=body, headers=planted(id))
    assert outcome(refused) == (400, "registration_id_required")


async def test_the_registration_id_in_the_body_wins_over_a_planted_cookie(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    victim = Person()
    attacker = Person(email=victim.email, password="velvet anchor ninety")
    async with service.client() as client:
        attackers, victims = await register(client, attacker), await register(client, victim)
        client.headers.update(planted(attackers))
        let_pass(corner, 60)
        resent = await client.post(
            "/api/auth/resend-otp",
            json={"registration_id": victims},
            headers={"x-forwarded-for": victim.network},
        )
        assert resent.json()["data"]["registration_id"] == victims
        code = mailroom.code(victims, sequence=2)
        assert (await verify(client, victim, victims, code)).status_code == 201
        assert (await log_in(client, victim)).status_code == 200
        assert (await log_in(client, attacker)).status_code == 401


async def test_a_planted_cookie_cannot_make_the_victims_code_commit_the_attackers_password(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    victim = Person()
    attacker = Person(email=victim.email, password="velvet anchor ninety")
    async with service.client() as client:
        attackers, victims = await register(client, attacker), await register(client, victim)
        client.headers.update(planted(attackers))
        for _ in range(6):  # the attacker's attempt pays for it, the victim's does not
            refused = await verify(client, victim, None, mailroom.code(victims))
            assert refused.status_code in (400, 429)
        rows = await corner.fetch("SELECT FROM accounts WHERE email = $1", victim.email)
        assert rows == []
        own = await verify(client, victim, victims, mailroom.code(victims))
        assert own.status_code == 201
        assert (await log_in(client, attacker)).status_code == 401


@pytest.mark.parametrize(
    "value", ["", "x", "A" * 32, "../accounts", "%00", '"quoted"', "*", "A" * 4000]
)
async def test_a_cookie_that_names_no_attempt_is_refused_like_an_expired_one(
    service: ServiceProcess, value: str
) -> None:
    person = Person()
    async with service.client() as client:
        client.headers.update(planted(value))
        answer = await verify(client, person, None, "123456")
    expected = (410, "code_expired") if value else (400, "registration_id_required")
    assert outcome(answer) == expected
