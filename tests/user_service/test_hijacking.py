"""An account has the password of the registration whose id and code were given, and no other.

Sudhodanan and Paverd, "Pre-hijacked accounts" (USENIX Security 2022): an attacker registers the
victim's address before, after or around the victim.
"""

from __future__ import annotations

import secrets
from itertools import permutations

import httpx
import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import (
    Person,
    ask_to_register,
    fresh_network,
    log_in,
    outcome,
    register,
    resend,
    verify,
    wrong,
)
from tests.service_process import ServiceProcess
from tests.user_service.barrage import Shot, at_once
from tests.user_service.time_travel import DAY, forget, let_pass

pytestmark = pytest.mark.anyio

ORDERS = list(permutations(("attacker", "victim", "attacker again")))
UNBOUND = (400, "registration_id_required")


class Scene:
    """A victim, and an attacker who registers the victim's address twice with other passwords."""

    def __init__(self) -> None:
        self.victim = Person()
        email = self.victim.email
        self.people = {
            "victim": self.victim,
            "attacker": Person(email=email, password="velvet anchor ninety"),
            "attacker again": Person(email=email, password="copper willow eleven"),
        }
        self.ids: dict[str, str] = {}

    async def everyone_registers(self, client: httpx.AsyncClient, order: tuple[str, ...]) -> None:
        for who in order:
            self.ids[who] = await register(client, self.people[who])

    async def who_can_log_in(self, client: httpx.AsyncClient) -> list[str]:
        answers = {who: await log_in(client, person) for who, person in self.people.items()}
        assert {answer.status_code for answer in answers.values()} <= {200, 401}
        return [who for who, answer in answers.items() if answer.status_code == 200]


@pytest.mark.parametrize("order", ORDERS, ids=" - ".join)
async def test_only_the_victims_own_id_and_code_make_the_account_and_only_with_its_password(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner, order: tuple[str, ...]
) -> None:
    scene = Scene()
    async with service.client() as client:
        await scene.everyone_registers(client, order)
        codes = {who: mailroom.code(id) for who, id in scene.ids.items()}
        for who in ("attacker", "attacker again"):
            refused = await verify(client, scene.victim, scene.ids["victim"], codes[who])
            assert outcome(refused) == (400, "wrong_code")
        assert await scene.who_can_log_in(client) == []
        own = await verify(client, scene.victim, scene.ids["victim"], codes["victim"])
        assert own.status_code == 201

        assert await scene.who_can_log_in(client) == ["victim"]
        for who in ("attacker", "attacker again"):
            late = await verify(client, scene.victim, scene.ids[who], codes["victim"])
            assert outcome(late) == (400, "wrong_code")
            # Even with its own code, which went to the victim's mailbox.
            late = await verify(client, scene.victim, scene.ids[who], codes[who])
            assert outcome(late) == (409, "address_taken")
        assert await scene.who_can_log_in(client) == ["victim"]
    assert len(await corner.fetch("SELECT FROM accounts WHERE email = $1", scene.victim.email)) == 1


@pytest.mark.parametrize("order", ORDERS, ids=" - ".join)
async def test_bare_codes_make_no_account_while_several_attempts_are_open(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner, order: tuple[str, ...]
) -> None:
    scene = Scene()
    async with service.client() as client:
        await scene.everyone_registers(client, order)
        codes = {who: mailroom.code(id) for who, id in scene.ids.items()}
        for code in codes.values():
            refused = await verify(client, scene.victim, None, code)
            assert outcome(refused) == UNBOUND
            assert "Send the registration_id" in refused.json()["detail"]
        assert await scene.who_can_log_in(client) == []
        rows = await corner.fetch("SELECT FROM accounts WHERE email = $1", scene.victim.email)
        assert rows == []
        # The refusals cost no guess: the victim still has all five.
        for _ in range(4):
            await verify(client, scene.victim, scene.ids["victim"], wrong(codes["victim"]))
        own = await verify(client, scene.victim, scene.ids["victim"], codes["victim"])
        assert own.status_code == 201
        assert await scene.who_can_log_in(client) == ["victim"]


async def test_before_verification_there_is_no_account_and_no_login(
    service: ServiceProcess, corner: Corner
) -> None:
    registered, unknown = Person(), Person()
    async with service.client() as client:
        await register(client, registered)
        answers = [await log_in(client, person) for person in (registered, unknown)]
    assert [outcome(answer) for answer in answers] == [(401, "wrong_credentials")] * 2
    for answer in answers:
        assert answer.json()["detail"] == answers[0].json()["detail"]
    rows = await corner.fetch("SELECT FROM accounts WHERE email = $1", registered.email)
    assert rows == []


async def test_two_attempts_verified_in_parallel_make_one_account(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    scene = Scene()
    async with service.client() as client:
        await scene.everyone_registers(client, ("attacker", "victim"))
        shots = [
            Shot(
                "/api/auth/verify-otp",
                {"email": scene.victim.email, "otp": mailroom.code(id), "registration_id": id},
                scene.people[who].network,
            )
            for who, id in scene.ids.items()
        ]
        hits = await at_once(service, shots * 10)
        assert {(hit.status, hit.code) for hit in hits} == {(201, ""), (409, "address_taken")}
        winners = {hit.body["data"]["user"]["id"] for hit in hits if hit.status == 201}
        assert len(winners) == 1
        assert len(await scene.who_can_log_in(client)) == 1
    rows = await corner.fetch("SELECT id FROM accounts WHERE email = $1", scene.victim.email)
    assert {str(row["id"]) for row in rows} == winners
    events = await corner.fetch("SELECT FROM outbox WHERE key = ANY($1)", list(winners))
    assert len(events) == 2  # registered, and the one login


async def test_a_bare_code_verifies_the_only_attempt_of_a_day(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = Person()
    async with service.client() as client:
        code = mailroom.code(await register(client, person))
        assert (await verify(client, person, None, code)).status_code == 201
        assert (await verify(client, person, None, code)).status_code == 201
        assert (await log_in(client, person)).status_code == 200


@pytest.mark.parametrize("end", ["spent", "expired", "finished"])
async def test_a_dead_attempt_still_makes_bare_codes_ambiguous_for_a_day(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner, end: str
) -> None:
    scene = Scene()
    async with service.client() as client:
        await scene.everyone_registers(client, ("attacker",))
        dead = scene.ids["attacker"]
        if end == "spent":
            for _ in range(5):
                await verify(client, scene.victim, dead, wrong(mailroom.code(dead)))
        elif end == "expired":
            forget(corner, f"challenge:register:{dead}")
        else:
            answer = await verify(client, scene.victim, dead, mailroom.code(dead))
            assert answer.status_code == 201
        await scene.everyone_registers(client, ("victim",))
        code = mailroom.code(dead if end == "finished" else scene.ids["victim"])
        assert outcome(await verify(client, scene.victim, None, code)) == UNBOUND


async def test_after_a_day_a_bare_code_is_right_again(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    scene = Scene()
    async with service.client() as client:
        await scene.everyone_registers(client, ("attacker",))
        let_pass(corner, DAY - 120)
        await scene.everyone_registers(client, ("victim",))
        code = mailroom.code(scene.ids["victim"])
        assert outcome(await verify(client, scene.victim, None, code)) == UNBOUND
        let_pass(corner, 180)  # nobody has looked at the attempts since one of them was forgotten
        assert (await verify(client, scene.victim, None, code)).status_code == 201
        assert await scene.who_can_log_in(client) == ["victim"]


async def test_a_stranger_can_burn_two_bare_guesses_and_no_more(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    holder = Person()
    stranger = Person(email=holder.email)
    async with service.client() as client:
        registration_id = await register(client, holder)
        code = mailroom.code(registration_id)
        answers = [await verify(client, stranger, None, wrong(code)) for _ in range(6)]
        assert [outcome(answer) for answer in answers] == [(400, "wrong_code")] * 2 + [UNBOUND] * 4
        assert outcome(await verify(client, stranger, None, code)) == UNBOUND
        for _ in range(2):
            refused = await verify(client, holder, registration_id, wrong(code))
            assert outcome(refused) == (400, "wrong_code")
        assert (await verify(client, holder, registration_id, code)).status_code == 201


async def test_of_parallel_bare_guesses_two_are_evaluated(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = Person()
    async with service.client() as client:
        registration_id = await register(client, person)
        code = mailroom.code(registration_id)
        body = {"email": person.email, "otp": wrong(code)}
        shots = [Shot("/api/auth/verify-otp", body, fresh_network()) for _ in range(50)]
        hits = await at_once(service, shots)
        assert (
            sorted((hit.status, hit.code) for hit in hits)
            == [UNBOUND] * 48 + [(400, "wrong_code")] * 2
        )
        assert (await verify(client, person, registration_id, code)).status_code == 201


async def test_every_bare_refusal_reads_alike(service: ServiceProcess, mailroom: Mailroom) -> None:
    nobody, crowded, spent = Person(), Person(), Person()
    async with service.client() as client:
        await register(client, crowded)
        crowded.network = fresh_network()
        await register(client, crowded)
        code = mailroom.code(await register(client, spent))
        for _ in range(2):
            await verify(client, spent, None, wrong(code))
        answers = [await verify(client, person, None, code) for person in (nobody, crowded, spent)]
    bodies = [{**answer.json(), "request_id": ""} for answer in answers]
    assert bodies == [bodies[0]] * 3
    assert [outcome(answer) for answer in answers] == [UNBOUND] * 3


async def test_a_victim_who_was_refused_cannot_be_led_to_a_strangers_attempt(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    """The stranger spends the address's budget with one attempt and its resends."""
    victim = Person()
    stranger = Person(email=victim.email, password="another pass phrase")
    async with service.client() as client:
        registration_id = await register(client, stranger)
        for _ in range(5):  # six mails an hour in all
            let_pass(corner, 61)
            stranger.network = fresh_network()
            assert (await resend(client, stranger, registration_id)).status_code == 202
        assert (await ask_to_register(client, victim)).status_code == 429
        code = mailroom.code(registration_id, sequence=6)
        assert outcome(await verify(client, victim, None, code)) == UNBOUND
        assert (await log_in(client, stranger)).status_code == 401


async def test_a_victim_whose_network_was_refused_cannot_be_led_to_a_strangers_attempt(
    mailroom: Mailroom, corner: Corner
) -> None:
    """That comes before anything is looked at, as the refusal of a full service does."""
    victim, neighbour = Person(), Person()
    neighbour.network = victim.network
    stranger = Person(email=victim.email, password="another pass phrase")
    with ServiceProcess.started(corner.variables, LIMIT_REGISTER="1/minute") as service:
        async with service.client() as client:
            registration_id = await register(client, stranger)
            await register(client, neighbour)
            assert (await ask_to_register(client, victim)).status_code == 429
            code = mailroom.code(registration_id)
            assert outcome(await verify(client, victim, None, code)) == UNBOUND
            # Whoever is named by nobody else may still be refused, and is harmed by nothing.
            assert (await verify(client, stranger, registration_id, code)).status_code == 201


async def test_a_code_of_a_key_that_a_process_does_not_have_yet_is_not_judged(
    corner: Corner,
) -> None:
    """As while keys are changed in one process after the other."""
    ring = f"k2:{secrets.token_hex(32)},{corner.variables['OTP_KEYS']}"
    person = Person()
    with (
        ServiceProcess.started(corner.variables, OTP_KEYS=ring) as changed,
        ServiceProcess.started(corner.variables) as unchanged,
    ):
        async with changed.client() as client, unchanged.client() as elsewhere:
            registration_id = await register(client, person)
            for _ in range(6):
                answer = await verify(elsewhere, person, registration_id, "000000")
                assert outcome(answer) == (503, "unavailable")
            answer = await verify(client, person, registration_id, "000000")
            assert outcome(answer) == (400, "wrong_code")


async def test_an_ended_attempt_tells_bare_guessers_nothing_of_its_end(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    """Finished means that there is an account."""
    finished, unfinished, stranger = Person(), Person(), Person()
    async with service.client() as client:
        for person in (finished, unfinished):
            registration_id = await register(client, person)
            if person is finished:
                code = mailroom.code(registration_id)
                assert (await verify(client, person, registration_id, code)).status_code == 201
        let_pass(corner, 605)
        seen = []
        for person in (finished, unfinished):
            stranger.email = person.email
            seen.append([outcome(await verify(client, stranger, None, "000000")) for _ in range(3)])
    assert seen[0] == seen[1] == [UNBOUND] * 3
