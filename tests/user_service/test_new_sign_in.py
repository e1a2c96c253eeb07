"""Logging in from a device that was not seen before: the owner is told, once, and nothing more."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person, log_in, member
from tests.raw_socket import exchange
from tests.service_process import ServiceProcess
from tests.user_service.ledger import id_of, told
from user_service.accounts.devices import device_name

pytestmark = pytest.mark.anyio

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:{0}.0) Gecko/20100101 Firefox/{0}.0"
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/131.0.0.0 Safari/537.36"
)
ELSEWHERE = "198.51.100.17"


class Owner:
    """Somebody with an account, who logs in from devices and places."""

    def __init__(self, service: ServiceProcess, corner: Corner, person: Person, id: UUID) -> None:
        self.person, self.id = person, id
        self._service, self._corner = service, corner

    async def logs_in(self, user_agent: str | bytes = FIREFOX.format(133), at: str = "") -> None:
        person = Person(self.person.email, network=at or self.person.network)
        sent = user_agent.encode() if isinstance(user_agent, str) else user_agent
        async with self._service.client() as client:
            client.headers = httpx.Headers([(b"user-agent", sent)])
            answer = await log_in(client, person)
        assert answer.status_code == 200, answer.text

    async def was_told(self) -> list[dict[str, Any]]:
        """The notices about new sign-ins so far."""
        notices = await told(self._corner, self.id, "send-notice")
        return [notice for notice in notices if notice["email"] == "new-sign-in"]

    async def facts(self) -> list[dict[str, str]]:
        return [notice["facts"] for notice in await self.was_told()]


@pytest.fixture
async def owner(service: ServiceProcess, mailroom: Mailroom, corner: Corner) -> Owner:
    person = await member(service, mailroom)
    return Owner(service, corner, person, await id_of(corner, person.email))


async def test_the_first_login_of_an_account_is_no_news(owner: Owner) -> None:
    await owner.logs_in()
    assert await owner.was_told() == []


async def test_the_same_browser_in_the_same_network_is_no_news(owner: Owner) -> None:
    for _ in range(3):
        await owner.logs_in()
    neighbour = owner.person.network.rpartition(".")[0] + ".254"
    await owner.logs_in(at=neighbour)

    assert await owner.was_told() == []


async def test_an_update_makes_no_other_browser(owner: Owner) -> None:
    for version in (133, 134, 140):
        await owner.logs_in(FIREFOX.format(version))

    assert await owner.was_told() == []


async def test_another_browser_is_told_to_the_address_once(owner: Owner) -> None:
    await owner.logs_in()
    await owner.logs_in(CHROME)
    await owner.logs_in(CHROME)
    await owner.logs_in()

    [notice] = await owner.was_told()
    assert notice["address"] == owner.person.email
    assert notice["user_id"] == str(owner.id)
    assert notice["facts"] == {"where": owner.person.network, "device": "Chrome on Windows"}


async def test_another_network_is_told_once(owner: Owner) -> None:
    await owner.logs_in()
    await owner.logs_in(at=ELSEWHERE)
    await owner.logs_in(at=ELSEWHERE)

    assert await owner.facts() == [{"where": ELSEWHERE, "device": "Firefox on Linux"}]


async def test_an_ipv6_network_is_as_large_as_a_provider_gives_to_one_customer(
    owner: Owner,
) -> None:
    await owner.logs_in(at="2001:db8:17:1::1")
    # IPv4 and IPv6 have nothing in common, and neither fails over the other.
    await owner.logs_in()
    await owner.logs_in(at="2001:db8:17:ffff::2")
    assert [facts["where"] for facts in await owner.facts()] == [owner.person.network]

    await owner.logs_in(at="2001:db8:18::1")
    assert [facts["where"] for facts in await owner.facts()][1:] == ["2001:db8:18::1"]


async def test_a_device_whose_session_has_ended_is_still_known(
    owner: Owner, corner: Corner
) -> None:
    await owner.logs_in()
    await corner.fetch("UPDATE sessions SET ended_at = now() WHERE account_id = $1", owner.id)
    await owner.logs_in()

    assert await owner.was_told() == []


async def test_a_long_silent_account_does_not_take_a_stranger_for_its_first_login(
    owner: Owner, corner: Corner
) -> None:
    await owner.logs_in()
    # What the sweep leaves of an account that nobody has used for months.
    await corner.fetch("DELETE FROM sessions WHERE account_id = $1", owner.id)
    await corner.fetch(
        "UPDATE accounts SET created_at = now() - interval '31 days' WHERE id = $1", owner.id
    )
    await owner.logs_in(CHROME, at=ELSEWHERE)

    assert await owner.facts() == [{"where": ELSEWHERE, "device": "Chrome on Windows"}]


async def test_devices_that_log_in_at_once_are_told_once_each(owner: Owner) -> None:
    await owner.logs_in()
    await asyncio.gather(*(owner.logs_in(CHROME) for _ in range(10)))

    assert len(await owner.was_told()) == 1


async def test_a_wrong_password_tells_nobody_of_a_device(
    owner: Owner, service: ServiceProcess
) -> None:
    await owner.logs_in()
    async with service.client() as client:
        wrong = Person(owner.person.email, password="something else entirely")
        assert (await log_in(client, wrong)).status_code == 401

    assert await owner.was_told() == []


async def test_no_flood_of_notices_buries_another_mail(owner: Owner, corner: Corner) -> None:
    await owner.logs_in()
    for number in range(8):
        await owner.logs_in(f"device-{chr(97 + number)}")
    assert len(await owner.was_told()) == 5

    await corner.fetch(
        "UPDATE outbox SET created_at = now() - interval '1 hour' WHERE key = $1", str(owner.id)
    )
    await owner.logs_in("device-z")
    assert len(await owner.was_told()) == 6


async def test_notices_can_be_switched_off(
    owner: Owner, corner: Corner, mailroom: Mailroom
) -> None:
    with ServiceProcess.started(corner.variables, NEW_SIGN_IN_MAILS="false") as quiet:
        owner = Owner(quiet, corner, owner.person, owner.id)
        await owner.logs_in()
        await owner.logs_in(CHROME, at=ELSEWHERE)

    assert await owner.was_told() == []
    logged_in = await told(corner, owner.id, "user_logged_in")
    assert len(logged_in) == 2


HOSTILE = {
    "empty": "",
    "10 kB": "Firefox/" + "x" * 10_000,
    "markup": "<b>Your account is at risk</b>",
    "a template": "{{ 7*7 }} ${7*7}",
    "a link": "https://evil.example/ Firefox/1 Linux",
    "quotes": "'; DROP TABLE sessions; --",
    "another script": "Браузер 日本語 \u202e".encode(),
    "every byte that may be": bytes(range(0x80, 0x100)),
    "a tab": "Fire\tfox",
}


@pytest.mark.parametrize("user_agent", HOSTILE.values(), ids=HOSTILE)
async def test_no_word_of_a_caller_gets_into_a_mail(owner: Owner, user_agent: str | bytes) -> None:
    await owner.logs_in()
    await owner.logs_in(user_agent)

    [facts] = await owner.facts()
    assert facts["where"] == owner.person.network
    assert facts["device"] in ("an unknown device", "Firefox", "Firefox on Linux")


@pytest.mark.parametrize("byte", [b"\0", b"\x01", b"\x1b", b"\x7f"])
async def test_control_characters_are_no_header_and_no_fault_of_ours(
    service: ServiceProcess, byte: bytes
) -> None:
    body = b'{"email":"nobody@example.org","password":"plum kettle orbit"}'
    request = (
        b"POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
    )
    answer = exchange(service, request + b"User-Agent: Fire" + byte + b"fox\r\n\r\n" + body)

    assert answer.status in (400, 401)


IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"  # noqa: E501
ANDROID = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko)"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (FIREFOX.format(133), "Firefox on Linux"),
        (CHROME, "Chrome on Windows"),
        (f"{CHROME} Edg/131.0.0.0", "Edge on Windows"),
        (f"{CHROME} OPR/116.0.0.0", "Opera on Windows"),
        (f"{MAC} Version/17.5 Safari/605.1.15", "Safari on macOS"),
        (f"{IPHONE} Version/17.5 Mobile/15E148 Safari/604.1", "Safari on iPhone"),
        (f"{IPHONE} CriOS/131.0 Mobile/15E148 Safari/604.1", "Chrome on iPhone"),
        (f"{IPHONE} FxiOS/133.0 Mobile/15E148 Safari/605.1.15", "Firefox on iPhone"),
        (f"{IPHONE} EdgiOS/131.0 Mobile/15E148 Safari/605.1.15", "Edge on iPhone"),
        (f"{ANDROID} Chrome/131.0.0.0 Mobile Safari/537.36", "Chrome on Android"),
        (f"{ANDROID} SamsungBrowser/27.0 Chrome/125.0.0.0 Safari/537.36",
         "Samsung Internet on Android"),
        ("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 Chrome/131.0.0.0",
         "Chrome on ChromeOS"),
        ("curl/8.11.0", "curl"),
        ("python-requests/2.32", "an unknown device"),
    ],
)  # fmt: skip
def test_a_device_is_called_what_its_owner_calls_it(user_agent: str, name: str) -> None:
    assert device_name(user_agent) == name
