"""How often an address is mailed, whoever asks, and that nothing opens past that."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv6Address

import httpx
import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import (
    Person,
    ask_to_register,
    fresh_address,
    fresh_network,
    member,
    outcome,
    register,
    resend,
    verify,
)
from tests.service_process import ServiceProcess
from tests.user_service.barrage import Shot, at_once
from tests.user_service.time_travel import DAY, HOUR, MINUTE, count_keys, let_pass

pytestmark = pytest.mark.anyio

PAST_CAP = (429, "too_many_requests")


async def test_from_one_network_an_address_is_mailed_once_a_minute_thrice_an_hour_four_times_a_day(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = Person()
    asked: list[tuple[float, int]] = []
    async with service.client() as client:
        for pause in (0, 0, MINUTE, MINUTE, MINUTE, HOUR, HOUR, DAY - 3 * HOUR, HOUR):
            let_pass(corner, pause)
            asked.append((pause, (await ask_to_register(client, person)).status_code))
    assert asked == [
        (0, 202),
        (0, 429),  # 1 a minute
        (MINUTE, 202),
        (MINUTE, 202),
        (MINUTE, 429),  # 3 an hour
        (HOUR, 202),
        (HOUR, 429),  # 4 a day
        (DAY - 3 * HOUR, 429),
        (HOUR, 202),
    ]
    assert len(mailroom.all_to(person.email)) == 5


async def test_from_all_networks_an_address_is_mailed_3_times_a_minute_6_an_hour_10_a_day(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = Person()
    statuses: list[list[int]] = []
    async with service.client() as client:
        for pause in (0, MINUTE, MINUTE, HOUR, MINUTE, HOUR):
            let_pass(corner, pause)
            statuses.append([])
            for _ in range(4):
                person.network = fresh_network()
                statuses[-1].append((await ask_to_register(client, person)).status_code)
    assert statuses == [
        [202, 202, 202, 429],
        [202, 202, 202, 429],
        [429] * 4,  # 6 an hour
        [202, 202, 202, 429],
        [202, 429, 429, 429],  # 10 a day
        [429] * 4,
    ]
    assert len(mailroom.all_to(person.email)) == 10


async def test_one_stranger_cannot_spend_the_budget_of_an_address(
    service: ServiceProcess, corner: Corner
) -> None:
    stranger = Person()
    owner = Person(email=stranger.email)
    async with service.client() as client:
        for _ in range(4):
            await ask_to_register(client, stranger)
            let_pass(corner, MINUTE)
        assert outcome(await ask_to_register(client, stranger)) == PAST_CAP
        assert (await ask_to_register(client, owner)).status_code == 202


async def test_an_ipv6_site_is_one_network(service: ServiceProcess) -> None:
    """Whoever has a /48 has 65,536 networks to ask from."""
    prefix = int(IPv6Address("2001:db8::")) + (
        int.from_bytes(fresh_address().encode()[-16:-12]) << 80
    )
    person = Person(network=str(IPv6Address(prefix + 1)))
    async with service.client() as client:
        assert (await ask_to_register(client, person)).status_code == 202
        for same_site in (2, 1 << 64, 0xFFFF << 64):
            person.network = str(IPv6Address(prefix + same_site))
            assert outcome(await ask_to_register(client, person)) == PAST_CAP
        person.network = str(IPv6Address(prefix + (1 << 80)))
        assert (await ask_to_register(client, person)).status_code == 202


async def test_resends_and_registrations_share_the_budget(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = Person()
    async with service.client() as client:
        registration_id = await register(client, person)
        assert outcome(await resend(client, person, registration_id)) == PAST_CAP
        for _ in range(2):
            let_pass(corner, MINUTE)
            assert (await resend(client, person, registration_id)).status_code == 202
            assert outcome(await ask_to_register(client, person)) == PAST_CAP
        let_pass(corner, MINUTE)
        assert outcome(await ask_to_register(client, person)) == PAST_CAP  # 3 an hour
        assert outcome(await resend(client, person, registration_id)) == PAST_CAP
    assert len(mailroom.all_to(person.email)) == 3


async def test_after_retry_after_the_same_request_is_accepted(
    service: ServiceProcess, corner: Corner
) -> None:
    person = Person()
    async with service.client() as client:
        await register(client, person)
        for _ in range(3):
            refused = await ask_to_register(client, person)
            assert outcome(refused) == PAST_CAP
            let_pass(corner, int(refused.headers["retry-after"]))
            assert (await ask_to_register(client, person)).status_code == 202


async def test_past_the_cap_nothing_opens_and_nothing_is_mailed(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    """An attempt whose code was never mailed would be free guesses."""
    person = Person()
    async with service.client() as client:
        registration_id = await register(client, person)
        opened = count_keys(corner, "challenge:*")
        for _ in range(5):
            answer = await ask_to_register(client, person)
            assert outcome(answer) == PAST_CAP
            assert "set-cookie" not in answer.headers
        assert count_keys(corner, "challenge:*") <= opened
        assert len(mailroom.all_to(person.email)) == 1
        # The code that is out still verifies, but not bare: who was refused may be another.
        code = mailroom.code(registration_id)
        bare = await verify(client, person, None, code)
        assert outcome(bare) == (400, "registration_id_required")
        assert (await verify(client, person, registration_id, code)).status_code == 201


async def test_the_cap_is_the_same_for_taken_and_free_addresses(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    taken = await member(service, mailroom)
    let_pass(corner, 2 * DAY)
    free = Person()
    answers: dict[str, list[tuple[object, ...]]] = {taken.email: [], free.email: []}
    async with service.client() as client:
        for pause in (0, 0, MINUTE, 0, MINUTE, MINUTE, HOUR, HOUR):
            let_pass(corner, pause)
            for person in (taken, free):
                answers[person.email].append(appearance(await ask_to_register(client, person)))
        mailed = {person.email: mailroom.all_to(person.email) for person in (taken, free)}
    assert answers[taken.email] == answers[free.email]
    assert {status for status, *_ in answers[free.email]} == {202, 429}
    # The registration of the taken one was mailed too.
    assert [len(events) for events in mailed.values()] == [5, 4]
    assert {event.email for event in mailed[taken.email][1:]} == {"address-taken"}
    assert {event.email for event in mailed[free.email]} == {"one-time-code"}


def appearance(answer: httpx.Response) -> tuple[object, ...]:
    """All that a caller sees but for the ids. A second may pass between two answers."""
    body = answer.json()
    body.pop("request_id", None)
    body.get("data", {}).pop("registration_id", None)
    wait = round(int(answer.headers.get("retry-after", 0)) / 10)
    return answer.status_code, body, sorted(answer.headers), wait


async def test_two_hundred_parallel_registrations_from_everywhere_mail_three_times(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = Person()
    shots = [Shot("/api/auth/register", person.registration(), fresh_network()) for _ in range(200)]
    await require_mails(service, mailroom, shots, most=3)


async def test_two_hundred_parallel_registrations_from_one_network_mail_once(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = Person()
    shots = [Shot("/api/auth/register", person.registration(), person.network)] * 200
    await require_mails(service, mailroom, shots, most=1)


async def require_mails(
    service: ServiceProcess, mailroom: Mailroom, shots: list[Shot], *, most: int
) -> None:
    """As many are accepted and mailed, and every other one is refused."""
    outcomes = Counter((hit.status, hit.code) for hit in await at_once(service, shots))
    overrun = outcomes.pop((503, "unavailable"), 0)  # where the machine has other work besides
    assert set(outcomes) == {(202, ""), PAST_CAP}
    assert 1 <= outcomes[202, ""] <= most
    mails = len(mailroom.all_to(str(shots[0].body["email"])))
    assert mails <= most
    if not overrun:
        assert outcomes[202, ""] == mails == most


async def test_plus_tags_do_not_lift_the_limit_of_their_network(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    """Each tag is an address of its own: 20 a minute and 100 an hour from one network hold."""
    network, inbox = fresh_network(), fresh_address()
    statuses: Counter[int] = Counter()
    async with service.client() as client:
        for minute in range(9):
            for number in range(24):
                email = inbox.replace("@", f"+{minute}.{number}@")
                answer = await ask_to_register(client, Person(email=email, network=network))
                statuses[answer.status_code] += 1
            let_pass(corner, MINUTE)
    assert set(statuses) == {202, 429}
    # GCRA lets 100 through at once, and nine minutes' share of 100 an hour besides.
    assert 100 <= statuses[202] <= 100 + 9 * 100 / 60 + 1
