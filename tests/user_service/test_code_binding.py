"""A code is right for one purpose, one attempt and one address, and for nothing else."""

from __future__ import annotations

import re
from itertools import product

import pytest

from shared.codes import Purpose
from tests.mailroom import Mailroom
from tests.people import Person, fresh_network, outcome, register, verify
from tests.service_process import ServiceProcess

pytestmark = pytest.mark.anyio

WRONG = (400, "wrong_code")
SPENT = (429, "guesses_spent")


async def test_a_code_is_right_for_its_own_attempt_and_address_only(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    """Of all combinations of two people, their attempts and their codes only two are right."""
    people = [Person(), Person()]
    async with service.client() as client:
        ids = [await register(client, person) for person in people]
        codes = [mailroom.code(id) for id in ids]
        right = list(zip(people, ids, codes, strict=True))
        wrong = [chosen for chosen in product(people, ids, codes) if chosen not in right]
        assert [outcome(await verify(client, *chosen)) for chosen in wrong] == [WRONG] * 6
        assert [outcome(await verify(client, *chosen)) for chosen in right] == [(201, "")] * 2


async def test_every_cross_try_costs_a_guess_of_the_attempt_it_named(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    ann, bob = Person(), Person()
    async with service.client() as client:
        anns, bobs = await register(client, ann), await register(client, bob)
        anns_code, bobs_code = mailroom.code(anns), mailroom.code(bobs)
        for _ in range(3):  # Ann's code at Bob's attempt
            assert outcome(await verify(client, bob, bobs, anns_code)) == WRONG
        for _ in range(2):  # Bob's own code and attempt with Ann's address
            assert outcome(await verify(client, ann, bobs, bobs_code)) == WRONG
        assert outcome(await verify(client, bob, bobs, bobs_code)) == SPENT
        assert (await verify(client, ann, anns, anns_code)).status_code == 201


async def test_attempts_of_one_address_never_take_each_others_codes(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = Person()
    async with service.client() as client:
        first = await register(client, person)
        person.network = fresh_network()
        second = await register(client, person)
        for _ in range(5):
            assert outcome(await verify(client, person, second, mailroom.code(first))) == WRONG
        assert outcome(await verify(client, person, second, mailroom.code(second))) == SPENT
        verified = await verify(client, person, first, mailroom.code(first))
    assert verified.status_code == 201


@pytest.mark.parametrize("purpose", ["recover", "change-email"])
async def test_a_code_for_another_purpose_is_wrong(
    service: ServiceProcess, mailroom: Mailroom, purpose: Purpose
) -> None:
    """Telekom CVE-2025-69614: one flow's code was accepted by another flow."""
    person = Person()
    async with service.client() as client:
        id = await register(client, person)
        kid = mailroom.about(id).kid
        foreign = mailroom.keys.code(kid, purpose, id, 1, person.email)
        assert foreign != mailroom.code(id)
        assert outcome(await verify(client, person, id, foreign)) == WRONG
        assert (await verify(client, person, id, mailroom.code(id))).status_code == 201


async def test_the_next_code_is_wrong_until_it_is_sent(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = Person()
    async with service.client() as client:
        id = await register(client, person)
        kid = mailroom.about(id).kid
        for sequence in (0, 2):
            early = mailroom.keys.code(kid, "register", id, sequence, person.email)
            assert outcome(await verify(client, person, id, early)) == WRONG
        assert (await verify(client, person, id, mailroom.code(id))).status_code == 201


async def test_registration_ids_hold_192_random_bits(service: ServiceProcess) -> None:
    async with service.client() as client:
        ids = [await register(client, Person()) for _ in range(50)]
    assert all(re.fullmatch("[A-Za-z0-9_-]{32}", id) for id in ids)
    # Of 50 random ids no two share 6 characters of any fixed place.
    for start in range(0, 32, 8):
        assert len({id[start : start + 8] for id in ids}) == 50
