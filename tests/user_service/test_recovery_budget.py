"""Nobody's mailbox is flooded by recoveries, and no mail leads anywhere but here."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import (
    Person,
    ask_to_register,
    fresh_address,
    fresh_network,
    log_in,
    member,
    outcome,
)
from tests.raw_socket import exchange
from tests.recoveries import ask_to_recover, recover, reset
from tests.service_process import ServiceProcess
from tests.user_service.barrage import Shot, at_once
from tests.user_service.time_travel import HOUR, MINUTE, count_keys, let_pass

pytestmark = pytest.mark.anyio

PAST_CAP = (429, "too_many_requests")


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
async def test_an_address_is_mailed_3_times_a_minute_6_an_hour_10_a_day_and_no_more(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner, known: bool
) -> None:
    person = await member(service, mailroom) if known else Person()
    statuses: list[list[int]] = []
    async with service.client() as client:
        for pause in (0, MINUTE, MINUTE, HOUR, MINUTE, HOUR):
            let_pass(corner, pause)
            statuses.append([])
            for _ in range(4):
                person.network = fresh_network()
                statuses[-1].append((await ask_to_recover(client, person)).status_code)
    assert statuses == [
        [202, 202, 202, 429],
        [202, 202, 202, 429],
        [429] * 4,  # 6 an hour
        [202, 202, 202, 429],
        [202, 429, 429, 429],  # 10 a day
        [429] * 4,
    ]
    mails = [event for event in mailroom.all_to(person.email) if event.purpose == "recover"]
    assert len(mails) == 10


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
async def test_one_stranger_cannot_spend_it_all(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner, known: bool
) -> None:
    person = await member(service, mailroom) if known else Person()
    asked = []
    async with service.client() as client:
        for pause in (0, 0, MINUTE, MINUTE, MINUTE, HOUR, HOUR):
            let_pass(corner, pause)
            asked.append((await ask_to_recover(client, person)).status_code)
        assert asked == [202, 429, 202, 202, 429, 202, 429]  # 1 a minute, 3 an hour, 4 a day
        person.network = fresh_network()
        assert (await ask_to_recover(client, person)).status_code == 202


async def test_a_hundred_at_once_for_one_address_make_three_mails(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    address = fresh_address()
    shots = [
        Shot("/api/auth/password-recovery", {"email": address}, fresh_network()) for _ in range(100)
    ]
    hits = await at_once(service, shots)
    assert Counter(hit.status for hit in hits) == {202: 3, 429: 97}
    assert len(mailroom.all_to(address)) == 3


async def test_every_spelling_of_an_address_is_one_address(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = await member(service, mailroom)
    stored = person.email
    async with service.client() as client:
        recovery_id = await recover(client, Person(email=stored.upper(), network=person.network))
        event = mailroom.about(recovery_id)
        assert (event.address, event.email) == (stored, "one-time-code")
        for spelling in (stored.title(), stored.replace("example", "EXAMPLE")):
            again = Person(email=spelling, network=person.network)
            assert outcome(await ask_to_recover(client, again)) == PAST_CAP
        shouting = Person(email=stored.upper())
        code = mailroom.code(recovery_id)
        assert (await reset(client, shouting, recovery_id, code)).status_code == 200


async def test_registering_and_recovering_have_budgets_of_their_own(
    service: ServiceProcess,
) -> None:
    person = Person()
    async with service.client() as client:
        assert (await ask_to_register(client, person)).status_code == 202
        assert (await ask_to_recover(client, person)).status_code == 202
        assert outcome(await ask_to_recover(client, person)) == PAST_CAP


async def test_a_network_asks_for_20_addresses_a_minute_and_opens_nothing_past_it(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    network = fresh_network()
    shots = [
        Shot("/api/auth/password-recovery", {"email": fresh_address()}, network) for _ in range(40)
    ]
    before = count_keys(corner, "challenge:recover:*")
    hits = await at_once(service, shots)
    statuses = Counter(hit.status for hit in hits)
    assert set(statuses) == {202, 429}
    assert 20 <= statuses[202] <= 22
    assert count_keys(corner, "challenge:recover:*") - before <= statuses[202]
    refused = [
        shot.body["email"] for shot, hit in zip(shots, hits, strict=True) if hit.status == 429
    ]
    assert not [address for address in refused if mailroom.all_to(address)]


async def test_asking_locks_nobody_out(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        opened = (await log_in(client, person)).json()["data"]["token"]
        for _ in range(6):
            person.network = fresh_network()
            await ask_to_recover(client, person)
        assert (await log_in(client, person)).status_code == 200
        headers = {"authorization": f"Bearer {opened}"}
        assert (await client.get("/api/auth/profile", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "lines",
    [
        [b"Host: evil.example"],
        [b"Host: localhost", b"X-Forwarded-Host: evil.example"],
        [b"Host: localhost", b"Forwarded: host=evil.example"],
        [b"Host: localhost", b"Origin: null", b"Referer: https://evil.example/"],
        [b"Host: localhost", b"X-Original-URL: https://evil.example/"],
    ],
    ids=lambda lines: str(lines[-1]),
)
async def test_an_injected_host_is_in_no_answer_and_no_event(
    service: ServiceProcess, mailroom: Mailroom, lines: list[bytes]
) -> None:
    person = await member(service, mailroom)
    body = json.dumps({"email": person.email}).encode()
    request = [
        b"POST /api/auth/password-recovery HTTP/1.1",
        *lines,
        b"X-Forwarded-For: " + fresh_network().encode(),
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(body),
        b"",
        body,
    ]
    answer = exchange(service, b"\r\n".join(request))
    assert b"evil" not in answer.content.lower()
    if b"Origin: null" in lines:
        assert answer.status == 403
        return
    assert answer.status == 202
    recovery_id = json.loads(answer.content.partition(b"\r\n\r\n")[2])["data"]["recovery_id"]
    mailroom.about(recovery_id)
    for message in mailroom.raw:
        assert b"evil" not in b"%r %r %r" % (message.value(), message.key(), message.headers())
