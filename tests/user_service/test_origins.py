"""Pages of other origins open nothing: a cross-site form must not plant a registration."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person, outcome
from tests.service_process import ServiceProcess
from tests.user_service.time_travel import count_keys

pytestmark = pytest.mark.anyio

OWN = "https://auth.example.org"
LISTED = "https://app.example.org"
POSTS = ("register", "resend-otp", "verify-otp", "login")


@pytest.fixture(scope="module")
def listing(corner: Corner) -> Iterator[ServiceProcess]:
    """A service that lists one origin besides its own."""
    settings = {"PUBLIC_BASE_URL": OWN, "CORS_ORIGINS": LISTED}
    with ServiceProcess.started(corner.variables, **settings) as listing:
        yield listing


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://auth.example.org",
        "https://auth.example.org:8443",
        "https://auth.example.org.evil.example",
        "https://evil.example/https://auth.example.org",
        "https://sub.app.example.org",
        "null",
        "",
    ],
)
async def test_a_foreign_origin_is_refused_on_every_post_and_opens_nothing(
    listing: ServiceProcess, mailroom: Mailroom, corner: Corner, origin: str
) -> None:
    person = Person()
    opened = count_keys(corner, "challenge:*")
    async with listing.client(person.network, origin=origin) as client:
        for path in POSTS:
            answer = await client.post(f"/api/auth/{path}", json=person.registration())
            assert outcome(answer) == (403, "origin_refused")
            assert "set-cookie" not in answer.headers
            assert "access-control-allow-origin" not in answer.headers
    assert count_keys(corner, "challenge:*") <= opened
    assert mailroom.all_to(person.email) == []


@pytest.mark.parametrize("origin", [OWN, LISTED])
async def test_own_and_listed_origins_may_register(listing: ServiceProcess, origin: str) -> None:
    person = Person()
    async with listing.client(person.network, origin=origin) as client:
        answer = await client.post("/api/auth/register", json=person.registration())
    assert answer.status_code == 202
    allowed = answer.headers.get("access-control-allow-origin")
    assert allowed == (LISTED if origin == LISTED else None)


async def test_a_form_of_another_site_is_refused_even_where_it_hides_its_origin(
    listing: ServiceProcess, mailroom: Mailroom
) -> None:
    person = Person()
    async with listing.client(person.network) as client:
        for content_type in (
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "text/plain",
        ):
            answer = await client.post(
                "/api/auth/register",
                content=b'{"email": "' + person.email.encode() + b'"}',
                headers={"content-type": content_type},
            )
            assert outcome(answer) == (415, "not_json")
    assert mailroom.all_to(person.email) == []


@pytest.mark.parametrize(("origin", "allowed"), [(LISTED, True), ("https://evil.example", False)])
async def test_a_preflight_is_answered_for_listed_origins_only(
    listing: ServiceProcess, origin: str, allowed: bool
) -> None:
    async with listing.client(origin=origin) as client:
        answer = await client.options(
            "/api/auth/login",
            headers={
                "access-control-request-method": "POST",
                "access-control-request-headers": "content-type",
            },
        )
    assert (answer.headers.get("access-control-allow-origin") == origin) is allowed
    assert answer.headers.get("access-control-allow-origin") != "*"
