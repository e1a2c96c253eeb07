"""New passwords are looked up among breached ones by k-anonymity, where a setting says so."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from dev_stack.ports import free_port
from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person, ask_to_register, fresh_address, member, outcome
from tests.recoveries import recover, reset
from tests.service_process import ServiceProcess
from tests.unlimited import UNLIMITED
from tests.user_service.range_service import Behaviour, RangeService, digits

pytestmark = pytest.mark.anyio

BREACHED = "trumpet garden sixty"
PADDED = "walnut ferry cobalt"
FAILURES: dict[Behaviour, str] = {
    "hang": "TimeoutError()",
    "trickle": "TimeoutError()",
    "garbage": "UnexpectedAnswer('not a range')",
    "html": "UnexpectedAnswer('not a range')",
    "packed": "UnexpectedAnswer('not a range')",
    "huge": "UnexpectedAnswer('too long')",
    "error": "UnexpectedAnswer('status 429')",
    "redirect": "UnexpectedAnswer('status 302')",
    "close": "ServerDisconnectedError('Server disconnected')",
}
# What is promised, and what a busy machine may add to it.
LOOK_UP_SECONDS = 1.0 + 0.5


@pytest.fixture(scope="module")
def ranges() -> Iterator[RangeService]:
    with RangeService.started(BREACHED) as ranges:
        ranges.padding = {PADDED}
        yield ranges


@pytest.fixture(scope="module")
def checking(corner: Corner, ranges: RangeService) -> Iterator[ServiceProcess]:
    with ServiceProcess.started(
        corner.variables, **UNLIMITED, BREACH_CHECK_URL=ranges.url
    ) as service:
        yield service


def refused_field(answer: httpx.Response) -> str:
    assert outcome(answer) == (400, "invalid_request")
    (error,) = answer.json()["errors"]
    assert "breach" in error["detail"]
    return str(error["field"])


def failures(service: ServiceProcess) -> list[str]:
    return [str(line["reason"]) for line in service.lines if line["event"] == "breach_check_failed"]


async def test_a_breached_password_is_refused_and_told_why(
    checking: ServiceProcess, mailroom: Mailroom
) -> None:
    async with checking.client() as client:
        answer = await ask_to_register(client, Person(password=BREACHED))
        assert refused_field(answer) == "password"
        person = await member(checking, mailroom)
        recovery_id = await recover(client, person)
        code = mailroom.code(recovery_id)
        answer = await reset(client, person, recovery_id, code, BREACHED)
        assert refused_field(answer) == "new_password"
        assert (await reset(client, person, recovery_id, code)).status_code == 200


async def test_five_digits_of_a_hash_are_all_that_leaves(
    checking: ServiceProcess, ranges: RangeService
) -> None:
    ranges.asked.clear()
    person = Person(password="harbour violin eleven")
    async with checking.client() as client:
        assert (await ask_to_register(client, person)).status_code == 202
    ((path, headers),) = ranges.asked
    assert path == f"/range/{digits(person.password)[:5]}"
    assert headers["Add-Padding"] == "true"
    sent = path + str(headers)
    assert digits(person.password)[5:] not in sent
    assert person.email not in sent
    assert person.network not in sent
    assert "Cookie" not in headers


async def test_padding_is_no_breach(checking: ServiceProcess) -> None:
    async with checking.client() as client:
        assert (await ask_to_register(client, Person(password=PADDED))).status_code == 202


async def test_what_the_policy_refuses_is_not_looked_up(
    checking: ServiceProcess, ranges: RangeService
) -> None:
    ranges.asked.clear()
    async with checking.client() as client:
        answer = await ask_to_register(client, Person(password="password123"))
    assert outcome(answer) == (400, "invalid_request")
    assert ranges.asked == []


async def test_known_and_unknown_addresses_are_looked_up_alike(
    checking: ServiceProcess, ranges: RangeService, mailroom: Mailroom
) -> None:
    known = await member(checking, mailroom)
    ranges.asked.clear()
    async with checking.client() as client:
        for address in (known.email, fresh_address()):
            person = Person(email=address)
            recovery_id = await recover(client, person)
            refused = await reset(client, person, recovery_id, "000000", BREACHED)
            assert outcome(refused) == (400, "wrong_code")
            assert (await ask_to_register(client, Person(email=address))).status_code == 202
    # Strangers' codes make us ask nobody.
    assert [path for path, _ in ranges.asked] == [f"/range/{digits(Person().password)[:5]}"] * 2


@pytest.mark.parametrize("behaviour", FAILURES)
async def test_a_service_that_fails_stops_nobody_and_the_log_tells(
    checking: ServiceProcess, ranges: RangeService, behaviour: Behaviour
) -> None:
    told = len(failures(checking))
    with ranges.behaving(behaviour):
        async with checking.client() as client:
            began = time.monotonic()
            answer = await ask_to_register(client, Person(password=BREACHED))
            assert answer.status_code == 202
            assert time.monotonic() - began < LOOK_UP_SECONDS
        (path,) = {path for path, _ in ranges.asked}  # nobody is asked elsewhere
    assert failures(checking)[told:] == [FAILURES[behaviour]]
    assert digits(BREACHED)[:5] in path
    for secret in (BREACHED, digits(BREACHED)):
        assert secret not in checking.log
    async with checking.client() as client:
        assert refused_field(await ask_to_register(client, Person(password=BREACHED)))


async def test_a_known_outage_delays_nobody_and_ends_by_itself(
    corner: Corner, mailroom: Mailroom, ranges: RangeService
) -> None:
    variables = corner.variables | UNLIMITED
    with ServiceProcess.started(variables, BREACH_CHECK_URL=ranges.url) as service:
        async with service.client() as client:
            with ranges.behaving("hang"):
                for _ in range(3):
                    assert (await ask_to_register(client, Person())).status_code == 202
                began = time.monotonic()
                for _ in range(5):
                    assert (await ask_to_register(client, Person())).status_code == 202
                assert time.monotonic() - began < LOOK_UP_SECONDS
                counted = (await client.get("/metrics")).text
                assert 'gatepost_breach_checks_total{outcome="failed"} 8.0' in counted
            deadline = time.monotonic() + 10
            while (await ask_to_register(client, Person(password=BREACHED))).status_code != 400:
                assert time.monotonic() < deadline


async def test_a_service_that_is_down_stops_nobody(corner: Corner) -> None:
    url = f"http://127.0.0.1:{free_port()}/range/"
    with ServiceProcess.started(corner.variables, BREACH_CHECK_URL=url) as service:
        async with service.client() as client:
            answer = await ask_to_register(client, Person(password=BREACHED))
            assert answer.status_code == 202
        assert len(failures(service)) == 1


async def test_nobody_is_asked_unless_a_setting_says_so(service: ServiceProcess) -> None:
    async with service.client() as client:
        assert (await ask_to_register(client, Person(password=BREACHED))).status_code == 202
        assert "gatepost_breach_checks" not in (await client.get("/metrics")).text
