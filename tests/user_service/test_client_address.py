"""Whose budget a request spends: what proxies of ours wrote counts, what callers wrote does not.

Litestar CVE-2025-59152 and Telekom CVE-2025-69615: limits that a header could lift.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import fresh_address, fresh_network, member, outcome
from tests.service_process import ServiceProcess

pytestmark = pytest.mark.anyio

LIMIT = 3
PROXY = "127.0.0.1"
SECOND_PROXY = "192.0.2.7"
IPV6_PROXY = "fd00:aaaa::7"
ACTIONS = {
    "verify-otp": {"email": "ann@example.org", "otp": "123456", "registration_id": "A" * 32},
    "resend-otp": {"registration_id": "A" * 32},
    "register": {"name": "Ann", "password": "plum kettle orbit"},
    "login": {"password": "plum kettle orbit"},
}

_sites = itertools.count(secrets.randbelow(2**24))


@pytest.fixture(scope="module")
def limited(corner: Corner) -> Iterator[ServiceProcess]:
    """Three requests an hour from each network, behind proxies on both protocols."""
    settings = {
        "TRUSTED_PROXIES": "127.0.0.1/32,192.0.2.0/24,fd00:aaaa::/32",
        **{
            f"LIMIT_{action}": f"{LIMIT}/hour"
            for action in ("REGISTER", "RESEND", "VERIFY", "LOGIN")
        },
    }
    with ServiceProcess.started(corner.variables, **settings) as limited:
        yield limited


def fresh_peer() -> str:
    """A loopback address that is no proxy of ours, and that nobody has called from."""
    return "127" + fresh_network().removeprefix("10")


def fresh_site() -> str:
    """The first half of an IPv6 address: three groups of a /48 that nobody has called from."""
    number = next(_sites)
    return f"2001:{number >> 16 & 0xFF:x}:{number & 0xFFFF:x}"


class Caller:
    """Calls from one peer address, with headers that differ from call to call."""

    def __init__(self, service: ServiceProcess, peer: str) -> None:
        transport = httpx.AsyncHTTPTransport(local_address=peer)
        self.client = httpx.AsyncClient(base_url=service.url, transport=transport, timeout=20)

    async def __aenter__(self) -> Caller:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def admitted(
        self, headers: dict[str, str] | list[tuple[str, str]], action: str = "verify-otp"
    ) -> bool:
        """Whether the network that this call is counted for had budget left."""
        body = dict(ACTIONS[action])
        if action in ("register", "login"):
            body["email"] = fresh_address()
        answer = await self.client.post(f"/api/auth/{action}", json=body, headers=headers)
        self.client.cookies.clear()
        assert answer.status_code in (202, 401, 410, 429)
        if answer.status_code == 429:
            assert outcome(answer) == (429, "too_many_requests")
            assert int(answer.headers["retry-after"]) > 1100
        return answer.status_code != 429


ALL_THEN_NONE = [True] * LIMIT + [False] * 3


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP", "True-Client-IP", "all"],
)
async def test_what_a_caller_writes_about_itself_lifts_no_limit(
    limited: ServiceProcess, header: str, action: str
) -> None:
    names = ["X-Forwarded-For", "X-Real-IP", "CF-Connecting-IP", "True-Client-IP"]

    def spoofed() -> dict[str, str]:
        address = fresh_network()
        every = dict.fromkeys(names, address) | {"Forwarded": f"for={address}"}
        return every if header == "all" else {header: every[header]}

    async with Caller(limited, fresh_peer()) as caller:
        admitted = [await caller.admitted(spoofed(), action) for _ in ALL_THEN_NONE]
    assert admitted == ALL_THEN_NONE


@pytest.mark.parametrize("header", ["X-Real-IP", "Forwarded", "CF-Connecting-IP", "True-Client-IP"])
async def test_behind_a_proxy_no_other_header_lifts_the_limit(
    limited: ServiceProcess, header: str
) -> None:
    client = fresh_network()
    async with Caller(limited, PROXY) as caller:
        admitted = [
            await caller.admitted({"X-Forwarded-For": client, header: fresh_network()})
            for _ in ALL_THEN_NONE
        ]
    assert admitted == ALL_THEN_NONE


async def test_networks_behind_a_proxy_have_budgets_of_their_own(limited: ServiceProcess) -> None:
    async with Caller(limited, PROXY) as caller:
        for _ in range(3):
            client = {"X-Forwarded-For": fresh_network()}
            assert [await caller.admitted(client) for _ in ALL_THEN_NONE] == ALL_THEN_NONE


@pytest.mark.parametrize(
    "chain",
    [
        "{spoofed}, {client}",
        "{spoofed},{spoofed},{client}",
        "{spoofed}, {client}, 192.0.2.7",
        "{spoofed}, {client}, 192.0.2.7, fd00:aaaa::7",
        "{client}, ::ffff:192.0.2.7",
        "garbage, {client}",
        "192.0.2.9, {spoofed}, {client}, 192.0.2.7",
    ],
)
async def test_the_rightmost_address_that_is_no_proxy_of_ours_counts(
    limited: ServiceProcess, chain: str
) -> None:
    client = fresh_network()
    async with Caller(limited, PROXY) as caller:
        admitted = [
            await caller.admitted(
                {"X-Forwarded-For": chain.format(client=client, spoofed=fresh_network())}
            )
            for _ in ALL_THEN_NONE
        ]
        assert admitted == ALL_THEN_NONE
        assert await caller.admitted({"X-Forwarded-For": fresh_network()})


async def test_a_header_sent_twice_is_one_chain(limited: ServiceProcess) -> None:
    client = fresh_network()
    async with Caller(limited, PROXY) as caller:
        admitted = [
            await caller.admitted(
                [("X-Forwarded-For", fresh_network()), ("X-Forwarded-For", client)]
            )
            for _ in ALL_THEN_NONE
        ]
    assert admitted == ALL_THEN_NONE


async def test_what_stands_left_of_garbage_does_not_count(limited: ServiceProcess) -> None:
    """Our proxies write addresses; a chain they did not write is the proxy's own request."""
    async with Caller(limited, PROXY) as caller:
        admitted = [
            await caller.admitted({"X-Forwarded-For": f"{fresh_network()}, unknown"})
            for _ in ALL_THEN_NONE
        ]
    assert admitted == ALL_THEN_NONE


@pytest.mark.parametrize(
    ("hosts", "together"),
    [
        (("1:{site}::1", "1:{site}::2", "1:{site}:ffff:ffff:ffff:ffff"), True),
        (("{site}:1::1", "{site}:2::1", "{site}:3::1"), False),
    ],
    ids=["one /64", "another /64 each"],
)
async def test_an_ipv6_network_is_a_64(
    limited: ServiceProcess, hosts: tuple[str, ...], together: bool
) -> None:
    site = fresh_site()
    async with Caller(limited, PROXY) as caller:
        addresses = [host.replace("1:{site}", f"{site}:1").format(site=site) for host in hosts]
        admitted = [
            await caller.admitted({"X-Forwarded-For": address})
            for address in addresses
            for _ in range(2)
        ]
    assert admitted == ([True] * 3 + [False] * 3 if together else [True] * 6)


async def test_spellings_of_one_ip_address_are_one_network(limited: ServiceProcess) -> None:
    site, client = fresh_site(), fresh_network()
    async with Caller(limited, PROXY) as caller:
        for spellings in (
            (f"{site}::a", f"{site}:0:0:0:0:a", f"{site}::000A".upper(), f"{site}::0.0.0.10"),
            (client, f"::ffff:{client}", f"::FFFF:{client}", f"{SECOND_PROXY},   {client}"),
        ):
            admitted = [await caller.admitted({"X-Forwarded-For": text}) for text in spellings]
            assert admitted == [True] * LIMIT + [False]


async def test_the_access_log_names_the_client_and_not_the_proxy(limited: ServiceProcess) -> None:
    client, request_id = fresh_network(), secrets.token_hex(8)
    async with Caller(limited, PROXY) as caller:
        await caller.admitted(
            {
                "X-Forwarded-For": f"{fresh_network()}, {client}, {SECOND_PROXY}, {IPV6_PROXY}",
                "X-Request-Id": request_id,
            }
        )
    assert await logged(limited, request_id) == client


async def logged(service: ServiceProcess, request_id: str) -> str:
    """The address in the line about a request, which is written once its answer is out."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        for line in service.lines:
            if line.get("request_id") == request_id:
                return str(line["address"])
        await asyncio.sleep(0.01)
    raise AssertionError("no line about this request")


async def test_an_address_with_a_zone_counts_as_none(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    """A zone is any text, and Postgres takes no address with one."""
    person = await member(service, mailroom)
    async with service.client("fe80::1%eth0") as client:
        answer = await client.post("/api/auth/login", json=person.credentials())
    assert answer.status_code == 200
