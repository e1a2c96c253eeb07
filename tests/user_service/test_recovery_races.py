"""A recovery counts for the account as it was: whatever changes meanwhile ends it."""

from __future__ import annotations

import asyncio

import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person, fresh_network, log_in, member, outcome
from tests.recoveries import NEW_PASSWORD, ask_to_recover, recover, reset, reset_by_link
from tests.service_process import ServiceProcess
from tests.user_service.ledger import held, id_of, told
from tests.user_service.time_travel import let_pass

pytestmark = pytest.mark.anyio

EXPIRED = (410, "code_expired")
OTHER_PASSWORD = "copper lantern drizzle"


async def two_recoveries(
    service: ServiceProcess, mailroom: Mailroom, person: Person
) -> list[tuple[str, str]]:
    """Their ids and codes."""
    async with service.client() as client:
        first = await recover(client, person)
        second = await recover(client, Person(email=person.email, network=fresh_network()))
    return [(id, mailroom.code(id)) for id in (first, second)]


async def test_of_two_recoveries_that_reset_at_once_one_counts(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    id = await id_of(corner, person.email)
    recoveries = await two_recoveries(service, mailroom, person)
    passwords = [NEW_PASSWORD, OTHER_PASSWORD]
    async with service.client() as client:
        async with held(corner, id) as lock:
            asked = [
                asyncio.create_task(reset(client, person, *recovery, password))
                for recovery, password in zip(recoveries, passwords, strict=True)
            ]
            await lock.waiting(2)  # both codes are verified by now
        answers = await asyncio.gather(*asked)
        assert sorted(map(outcome, answers)) == [(200, ""), EXPIRED]
        for answer, password in zip(answers, passwords, strict=True):
            person.password = password
            logged_in = await log_in(client, person)
            assert (logged_in.status_code == 200) == (answer.status_code == 200)
    assert len(await told(corner, id, "password_reset_completed")) == 1


async def test_a_login_with_the_old_password_does_not_outlive_the_reset_it_raced(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    id = await id_of(corner, person.email)
    async with service.client() as client:
        recovery_id = await recover(client, person)
        code = mailroom.code(recovery_id)
        async with held(corner, id) as lock:
            resetting = asyncio.create_task(reset(client, person, recovery_id, code))
            await lock.waiting(1)
            # Its password is still the right one when it is looked at.
            logging_in = asyncio.create_task(log_in(client, person))
            await lock.waiting(2)
        assert (await resetting).status_code == 200
        assert outcome(await logging_in) == (401, "wrong_credentials")
    live = await corner.fetch("SELECT FROM sessions WHERE account_id = $1 AND ended_at IS NULL", id)
    assert live == []


async def test_a_reset_ends_the_session_of_a_login_that_it_raced(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    id = await id_of(corner, person.email)
    async with service.client() as client:
        recovery_id = await recover(client, person)
        code = mailroom.code(recovery_id)
        async with held(corner, id) as lock:
            logging_in = asyncio.create_task(log_in(client, person))
            await lock.waiting(1)
            resetting = asyncio.create_task(reset(client, person, recovery_id, code))
            await lock.waiting(2)
        opened = (await logging_in).json()["data"]
        assert (await resetting).status_code == 200
        headers = {"authorization": f"Bearer {opened['token']}"}
        profile = await client.get("/api/auth/profile", headers=headers)
        assert outcome(profile) == (401, "token_rejected")
        body = {"refresh_token": opened["refresh_token"]}
        refreshed = await client.post("/api/auth/refresh", json=body)
        assert outcome(refreshed) == (401, "refresh_token_rejected")


async def test_a_change_of_password_ends_a_pending_recovery(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        token = (await log_in(client, person)).json()["data"]["token"]
        recovery_id = await recover(client, person)
        body = {"current_password": person.password, "new_password": OTHER_PASSWORD}
        headers = {"authorization": f"Bearer {token}"}
        changed = await client.post("/api/auth/change-password", json=body, headers=headers)
        assert changed.status_code == 200
        for _ in range(2):
            answer = await reset(client, person, recovery_id, mailroom.code(recovery_id))
            assert outcome(answer) == EXPIRED
        by_link = await reset_by_link(client, person, mailroom.link_token(recovery_id))
        assert outcome(by_link) == EXPIRED
        profile = await client.get("/api/auth/profile", headers=headers)
        assert profile.status_code == 200
        person.password = OTHER_PASSWORD
        assert (await log_in(client, person)).status_code == 200


async def test_a_change_between_the_code_and_the_row_counts(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    id = await id_of(corner, person.email)
    async with service.client() as client:
        recovery_id = await recover(client, person)
        code = mailroom.code(recovery_id)
        async with held(corner, id) as lock:
            resetting = asyncio.create_task(reset(client, person, recovery_id, code))
            await lock.waiting(1)
            await lock.execute("UPDATE accounts SET epoch = epoch + 1 WHERE id = $1", id)
        assert outcome(await resetting) == EXPIRED
        assert (await log_in(client, person)).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE accounts SET status = 'disabled' WHERE id = $1",
        "UPDATE accounts SET epoch = epoch + 1, email = 'moved-' || email WHERE id = $1",
        "DELETE FROM accounts WHERE id = $1",
    ],
    ids=["disabled", "moved", "deleted"],
)
async def test_a_recovery_of_an_account_that_is_another_by_now_is_dead(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner, change: str
) -> None:
    person = await member(service, mailroom)
    id = await id_of(corner, person.email)
    async with service.client() as client:
        recovery_id = await recover(client, person)
        await corner.fetch(change, id)
        code = mailroom.code(recovery_id)
        # The password that it has already is no exception: its sessions would live on.
        for password in (person.password, NEW_PASSWORD):
            assert outcome(await reset(client, person, recovery_id, code, password)) == EXPIRED
    assert await told(corner, id, "password_reset_completed") == []


async def test_a_reset_that_was_overtaken_is_not_repeated(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    """A 200 would say that the password is set, and it is another one by now."""
    person = await member(service, mailroom)
    async with service.client() as client:
        first = await recover(client, person)
        assert (await reset(client, person, first, mailroom.code(first))).status_code == 200
        let_pass(corner, 60)
        second = await recover(client, person)
        answer = await reset(client, person, second, mailroom.code(second), OTHER_PASSWORD)
        assert answer.status_code == 200
        assert outcome(await reset(client, person, first, mailroom.code(first))) == EXPIRED
        person.password = OTHER_PASSWORD
        assert (await log_in(client, person)).status_code == 200


async def test_a_reset_ends_a_pending_change_of_address(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        recovery_id = await recover(client, person)
        await corner.fetch(
            "UPDATE accounts SET address_challenge = 'x' WHERE email = $1", person.email
        )
        answer = await reset(client, person, recovery_id, mailroom.code(recovery_id))
        assert answer.status_code == 200
    (row,) = await corner.fetch(
        "SELECT address_challenge FROM accounts WHERE email = $1", person.email
    )
    assert row["address_challenge"] is None


async def test_asking_waits_for_a_change_under_way_and_knows_it(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    """A code for an epoch that ended a moment ago would be a mail that leads nowhere."""
    person = await member(service, mailroom)
    id = await id_of(corner, person.email)
    async with service.client() as client:
        async with held(corner, id) as lock:
            asking = asyncio.create_task(ask_to_recover(client, person))
            await lock.waiting(1)
            await lock.execute("UPDATE accounts SET epoch = epoch + 1 WHERE id = $1", id)
        recovery_id = (await asking).json()["data"]["recovery_id"]
        answer = await reset(client, person, recovery_id, mailroom.code(recovery_id))
        assert answer.status_code == 200
