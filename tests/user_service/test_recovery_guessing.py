"""However many codes arrive at once, five are evaluated, and a link is sealed by none of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import product

import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person, fresh_network, log_in, member, outcome, wrong
from tests.recoveries import NEW_PASSWORD, recover, reset, reset_by_link
from tests.service_process import ServiceProcess
from tests.user_service.barrage import Hit, Shot, at_once
from tests.user_service.ledger import id_of, told

pytestmark = pytest.mark.anyio

RESET = "/api/auth/reset-password"
WRONG = (400, "wrong_code")
EXPIRED = (410, "code_expired")
SPENT = (429, "guesses_spent")
DONE = (200, "")


@pytest.fixture(scope="module")
def crowd(corner: Corner) -> Iterator[ServiceProcess]:
    """Four processes, and no network's limit in the way of the guesses."""
    settings = {"WORKERS": "4", "LIMIT_VERIFY": "1000000/minute", "HASH_QUEUE": "1000"}
    with ServiceProcess.started(corner.variables, **settings) as crowd:
        yield crowd


def outcomes(hits: list[Hit]) -> Counter[tuple[int, str]]:
    return Counter((hit.status, hit.code) for hit in hits)


def typed(person: Person, id: str, otp: str, new_password: str = NEW_PASSWORD) -> Shot:
    body = {
        "email": person.email,
        "otp": otp,
        "recovery_id": id,
        "new_password": new_password,
    }
    return Shot(RESET, body, person.network)


async def test_of_fifty_parallel_wrong_codes_five_are_evaluated_and_the_link_still_works(
    crowd: ServiceProcess, mailroom: Mailroom
) -> None:
    for _ in range(5):
        person = await member(crowd, mailroom)
        async with crowd.client() as client:
            id = await recover(client, person)
            code = mailroom.code(id)
            codes = [f"{(int(code) + 1 + i) % 10**6:06}" for i in range(50)]
            hits = await at_once(crowd, [typed(person, id, otp) for otp in codes])
            assert outcomes(hits) == {WRONG: 5, SPENT: 45}
            assert outcome(await reset(client, person, id, code)) == SPENT
            token = mailroom.link_token(id)
            assert outcome(await reset_by_link(client, person, token)) == DONE
            # That the owner came through makes no room for another guess.
            assert outcome(await reset(client, person, id, codes[0])) == SPENT
            person.password = NEW_PASSWORD
            assert (await log_in(client, person)).status_code == 200


async def test_a_link_leaves_strangers_no_more_guesses_than_a_code_does(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        id = await recover(client, person)
        code = mailroom.code(id)
        guesses = [await reset(client, person, id, wrong(code)) for _ in range(3)]
        assert outcome(await reset_by_link(client, person, mailroom.link_token(id))) == DONE
        guesses += [await reset(client, person, id, wrong(code)) for _ in range(5)]
    assert Counter(map(outcome, guesses)) == {WRONG: 5, SPENT: 3}


async def test_wrong_tokens_cost_no_guess_and_touch_nothing(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person, other = await member(service, mailroom), await member(service, mailroom)
    async with service.client() as client:
        id, others = await recover(client, person), await recover(client, other)
        token, foreign = mailroom.link_token(id), mailroom.link_token(others)
        keys = mailroom.keys
        assert keys.link_token("k1", "recover", id, 1, person.email) == token
        forged = [
            f"{id}.{'A' * 43}",
            f"{id}.{foreign[33:]}",
            token[:-1] + ("A" if token[-1] != "A" else "B"),
            token[:40] + ("A" if token[40] != "A" else "B") + token[41:],
            keys.link_token("k1", "recover", id, 2, person.email),
            keys.link_token("k1", "recover", id, 0, person.email),
            keys.link_token("k1", "recover", id, 1, other.email),
            keys.link_token("k1", "register", id, 1, person.email),
            keys.link_token("k1", "change-email", id, 1, person.email),
            keys.link_token("k1", "recover", others, 1, person.email),
        ]
        for number, each in enumerate(forged * 3):
            person.network = fresh_network()
            assert outcome(await reset_by_link(client, person, each)) == WRONG, number
        unknown = f"{'A' * 32}.{token[33:]}"
        assert outcome(await reset_by_link(client, person, unknown)) == EXPIRED
        for malformed in (token + "A", token[:-1], token + "=", token.replace(".", "-"), "a.b", ""):
            answer = await reset_by_link(client, person, malformed)
            assert outcome(answer) == (400, "invalid_request")
        assert (await log_in(client, person)).status_code == 200
        assert outcome(await reset(client, person, id, mailroom.code(id))) == DONE
        assert outcome(await reset_by_link(client, other, foreign)) == DONE


async def test_a_code_is_right_for_its_own_recovery_and_address_only(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    people = [await member(service, mailroom) for _ in range(2)]
    async with service.client() as client:
        ids = [await recover(client, person) for person in people]
        codes = [mailroom.code(id) for id in ids]
        right = list(zip(people, ids, codes, strict=True))
        crossed = [chosen for chosen in product(people, ids, codes) if chosen not in right]
        assert [outcome(await reset(client, *chosen)) for chosen in crossed] == [WRONG] * 6
        # Each was a guess at the recovery that it named: three of five.
        for person, id, code in right:
            late = [outcome(await reset(client, person, id, wrong(code))) for _ in range(3)]
            assert late == [WRONG, WRONG, SPENT]
        assert [(await log_in(client, person)).status_code for person in people] == [200, 200]


async def test_guesses_from_all_networks_count_together(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        id = await recover(client, person)
        code = mailroom.code(id)
        for _ in range(5):
            person.network = fresh_network()
            assert outcome(await reset(client, person, id, wrong(code))) == WRONG
        person.network = fresh_network()
        assert outcome(await reset(client, person, id, code)) == SPENT


async def test_one_network_makes_only_so_many_tries_a_minute(service: ServiceProcess) -> None:
    body = {"token": f"{'A' * 32}.{'A' * 43}", "new_password": NEW_PASSWORD}
    hits = await at_once(service, [Shot(RESET, body, fresh_network())] * 70)
    counted = outcomes(hits)
    assert counted[(429, "too_many_requests")] >= 5
    assert counted[EXPIRED] >= 60
    assert sum(counted.values()) == 70


@pytest.mark.parametrize("at_a_time", [8, 50])
async def test_the_same_right_request_many_times_at_once_resets_once(
    crowd: ServiceProcess, mailroom: Mailroom, corner: Corner, at_a_time: int
) -> None:
    person = await member(crowd, mailroom)
    async with crowd.client() as client:
        id = await recover(client, person)
    shot = typed(person, id, mailroom.code(id))
    assert outcomes(await at_once(crowd, [shot] * at_a_time)) == {DONE: at_a_time}
    account = await id_of(corner, person.email)
    assert len(await told(corner, account, "password_reset_completed", "send-notice")) == 2


async def test_of_many_different_passwords_at_once_one_is_set_and_only_it_is_told_so(
    crowd: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(crowd, mailroom)
    async with crowd.client() as client:
        id = await recover(client, person)
        code = mailroom.code(id)
        passwords = [f"velvet anchor {number} tuesday" for number in range(20)]
        hits = await at_once(crowd, [typed(person, id, code, each) for each in passwords])
        assert outcomes(hits) == {DONE: 1, EXPIRED: 19}
        ((_, winner),) = [
            (hit, password)
            for hit, password in zip(hits, passwords, strict=True)
            if hit.status == 200
        ]
        person.password = winner
        assert (await log_in(client, person)).status_code == 200
    account = await id_of(corner, person.email)
    assert len(await told(corner, account, "password_reset_completed")) == 1
