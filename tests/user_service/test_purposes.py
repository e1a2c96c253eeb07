"""A code or a link that was mailed for one purpose is good for nothing else.

Telekom CVE-2025-69614: the code that activates an account was taken by its password reset.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import httpx
import pytest

from shared.codes import Purpose
from tests.mailroom import Mailroom
from tests.people import Person, fresh_address, log_in, member, outcome, register, verify
from tests.recoveries import recover, reset, reset_by_link
from tests.service_process import ServiceProcess

pytestmark = pytest.mark.anyio

PURPOSES: tuple[Purpose, ...] = ("register", "recover", "change-email")
CROSSED = list(permutations(PURPOSES, 2))
WRONG = (400, "wrong_code")
EXPIRED = (410, "code_expired")


@dataclass(frozen=True)
class Pending:
    """A challenge of each purpose, each of another person."""

    client: httpx.AsyncClient
    mailroom: Mailroom
    token: str
    ids: dict[Purpose, str]
    addresses: dict[Purpose, str]

    @classmethod
    async def opened(
        cls, client: httpx.AsyncClient, service: ServiceProcess, mailroom: Mailroom
    ) -> Pending:
        newcomer = Person()
        owner, mover = [await member(service, mailroom) for _ in range(2)]
        token = (await log_in(client, mover)).json()["data"]["token"]
        address = fresh_address()
        asked = await client.post(
            "/api/auth/change-email",
            json={"new_email": address, "password": mover.password},
            headers={"authorization": f"Bearer {token}", "x-forwarded-for": mover.network},
        )
        assert asked.status_code == 202, asked.text
        ids: dict[Purpose, str] = {
            "register": await register(client, newcomer),
            "recover": await recover(client, owner),
            "change-email": asked.json()["data"]["change_id"],
        }
        addresses: dict[Purpose, str] = {
            "register": newcomer.email,
            "recover": owner.email,
            "change-email": address,
        }
        return cls(client, mailroom, token, ids, addresses)

    async def submit(self, at: Purpose, id: str, address: str, code: str) -> tuple[int, str]:
        """What the endpoint of one purpose answers."""
        person = Person(email=address)
        if at == "register":
            return outcome(await verify(self.client, person, id, code))
        if at == "recover":
            return outcome(await reset(self.client, person, id, code))
        answer = await self.client.post(
            "/api/auth/change-email/verify",
            json={"otp": code, "change_id": id},
            headers={"authorization": f"Bearer {self.token}"},
        )
        return outcome(answer)


async def test_of_all_purposes_and_endpoints_only_the_diagonal_succeeds(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    async with service.client() as client:
        pending = await Pending.opened(client, service, mailroom)
        ids, addresses = pending.ids, pending.addresses
        codes = {purpose: mailroom.code(id) for purpose, id in ids.items()}
        for at, foreign in CROSSED:
            # With its own id and address: another key space.
            answered = await pending.submit(at, ids[foreign], addresses[foreign], codes[foreign])
            assert answered == EXPIRED, (at, foreign)
            # With the id that belongs there: each try costs that challenge a guess.
            answered = await pending.submit(at, ids[at], addresses[at], codes[foreign])
            assert answered == WRONG, (at, foreign)
            derived = mailroom.keys.code("k1", foreign, ids[at], 1, addresses[at])
            answered = await pending.submit(at, ids[at], addresses[at], derived)
            assert answered == WRONG, (at, foreign)
        found = [await pending.submit(at, ids[at], addresses[at], codes[at]) for at in PURPOSES]
        assert found == [(201, ""), (200, ""), (200, "")]


async def test_every_cross_try_cost_a_guess(service: ServiceProcess, mailroom: Mailroom) -> None:
    async with service.client() as client:
        pending = await Pending.opened(client, service, mailroom)
        ids, addresses = pending.ids, pending.addresses
        for at, foreign in CROSSED * 2:
            await pending.submit(at, ids[at], addresses[at], mailroom.code(ids[foreign]))
        for at in PURPOSES:
            late = [
                await pending.submit(at, ids[at], addresses[at], mailroom.code(ids[foreign]))
                for foreign in PURPOSES
                if foreign != at
            ]
            assert late == [WRONG, (429, "guesses_spent")], at


async def test_a_link_is_for_a_recovery_alone(service: ServiceProcess, mailroom: Mailroom) -> None:
    async with service.client() as client:
        pending = await Pending.opened(client, service, mailroom)
        for purpose in ("register", "change-email"):
            id, address = pending.ids[purpose], pending.addresses[purpose]
            for made_for in PURPOSES:
                token = mailroom.keys.link_token("k1", made_for, id, 1, address)
                answer = await reset_by_link(client, Person(), token)
                assert outcome(answer) == EXPIRED
        id, address = pending.ids["recover"], pending.addresses["recover"]
        for made_for in ("register", "change-email"):
            token = mailroom.keys.link_token("k1", made_for, id, 1, address)
            assert outcome(await reset_by_link(client, Person(), token)) == WRONG
        token = mailroom.link_token(id)
        assert (await reset_by_link(client, Person(), token)).status_code == 200
