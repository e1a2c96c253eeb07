"""Users of Clerk become accounts here, join those that were here before, and stay in step."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.corner import Corner
from tests.faults.house import until
from tests.mailroom import Mailroom
from tests.people import Person, log_in, member
from tests.recoveries import recovered
from tests.service_process import ServiceProcess
from tests.unlimited import UNLIMITED
from tests.user_service.clerk import SECRET, Clerk, ClerkUser, headers, milliseconds, told
from tests.user_service.neighbour import OUTCOMES, Decisions
from tests.user_service.sensible_requests import CHEAPEST
from tests.user_service.services import command
from tests.user_service.signing_keys import eventually
from tests.worker_process import WorkerProcess

pytestmark = pytest.mark.anyio

APPLIED = "SELECT count(*) FROM clerk_users WHERE id = ANY($1) AND account_id IS NOT NULL"
SECRETS = {"CLERK_WEBHOOK_SECRETS": SECRET}


@pytest.fixture(scope="module")
def door(corner: Corner) -> Iterator[ServiceProcess]:
    with ServiceProcess.started(corner.variables, **UNLIMITED, **SECRETS) as service:
        yield service


@pytest.fixture(scope="module")
def clerk(door: ServiceProcess) -> Iterator[Clerk]:
    with httpx.Client(base_url=door.url, timeout=10) as client:
        yield Clerk(client)


@pytest.fixture(scope="module")
def worker(corner: Corner, clerk: Clerk) -> Iterator[WorkerProcess]:
    """One that has come past what other files of tests have left on the topic."""
    with WorkerProcess.started(corner.variables, **SECRETS) as worker:
        worker.come_up()
        # So many that some of them come last on each partition.
        newest = [ClerkUser() for _ in range(20)]
        for user in newest:
            clerk.create(user)
        ids = [user.id for user in newest]
        eventually(lambda: corner.rows(APPLIED, ids)[0][0] == len(ids), 40)
        yield worker


async def account_of(corner: Corner, user: ClerkUser) -> dict[str, Any] | None:
    rows = await corner.fetch(
        "SELECT accounts.*, made_account FROM clerk_users"
        " JOIN accounts ON accounts.id = account_id WHERE clerk_users.id = $1",
        user.id,
    )
    return dict(rows[0]) if rows else None


async def decided(worker: WorkerProcess, outcome: str, *tell: Any) -> None:
    """Wait until as many more events have had this outcome as were told."""
    before = Decisions.of(worker, outcome)
    for say in tell:
        say()
    await before.reach(len(tell), within=40)


async def created(corner: Corner, clerk: Clerk, worker: WorkerProcess, user: ClerkUser) -> Any:
    await decided(worker, "applied", lambda: clerk.create(user))
    account = await account_of(corner, user)
    assert account is not None
    return account


async def test_a_verified_user_becomes_an_account_without_a_password(
    corner: Corner, clerk: Clerk, worker: WorkerProcess, door: ServiceProcess
) -> None:
    user = ClerkUser(username="Clara.Clerk", first_name="Clara", last_name="Clerk")
    account = await created(corner, clerk, worker, user)
    assert (account["email"], account["name"]) == (user.email, "Clara Clerk")
    assert account["username"] == "clara.clerk"
    assert account["password_hash"] is None
    assert account["made_account"]
    rows = await corner.fetch(
        "SELECT topic, payload FROM outbox WHERE key = $1", str(account["id"])
    )
    [(topic, payload)] = [tuple(row) for row in rows]
    assert topic == "user_registered"
    assert json.loads(payload)["email"] == user.email
    entries = await corner.fetch(
        "SELECT action, actor, actor_id FROM audit WHERE account_id = $1 ORDER BY id",
        account["id"],
    )
    assert [tuple(entry) for entry in entries] == [
        ("registered", "service", "clerk"),
        ("clerk_linked", "service", "clerk"),
    ]
    async with door.client() as client:
        for password in ("", "None", "plum kettle orbit"):
            answer = await log_in(client, Person(email=user.email or "", password=password))
            assert answer.status_code in (400, 401)


async def test_recovery_sets_the_first_password_and_from_then_on_clerk_decides_no_more(
    corner: Corner, clerk: Clerk, worker: WorkerProcess, door: ServiceProcess, mailroom: Mailroom
) -> None:
    user = ClerkUser()
    account = await created(corner, clerk, worker, user)
    person = Person(email=user.email or "")
    async with door.client() as client:
        await recovered(client, mailroom, person)
        assert (await log_in(client, person)).status_code == 200
    moved = user.changed(email="elsewhere-" + (user.email or ""), first_name="Other")
    await decided(worker, "applied", lambda: clerk.update(moved))
    after = await account_of(corner, user)
    assert after is not None
    assert (after["email"], after["name"]) == (user.email, account["name"])
    # Gone at Clerk, and still an account of its own.
    await decided(worker, "applied", lambda: clerk.delete(user))
    assert await account_of(corner, user) is None
    async with door.client() as client:
        assert (await log_in(client, person)).status_code == 200


async def test_an_imported_password_leaves_clerk_in_charge_until_its_owner_sets_another(
    corner: Corner, clerk: Clerk, worker: WorkerProcess, door: ServiceProcess, mailroom: Mailroom
) -> None:
    stays, leaves = ClerkUser(), ClerkUser()
    for user in (stays, leaves):
        await created(corner, clerk, worker, user)
    await corner.fetch(
        "UPDATE accounts SET password_hash = $2 WHERE email = ANY($1)",
        [stays.email, leaves.email],
        CHEAPEST,
    )
    moved = stays.changed(first_name="Moved", email=f"moved.{stays.email}")
    await decided(worker, "applied", lambda: clerk.update(moved), lambda: clerk.delete(leaves))
    account = await account_of(corner, stays)
    assert account is not None
    assert (account["name"], account["email"]) == ("Moved Example", moved.email)
    assert await corner.fetch("SELECT FROM accounts WHERE email = $1", leaves.email) == []

    person = Person(email=moved.email or "")
    async with door.client() as client:
        assert (await log_in(client, person)).status_code == 200
        await recovered(client, mailroom, person)
    await decided(worker, "applied", lambda: clerk.delete(stays))
    async with door.client() as client:
        assert (await log_in(client, person)).status_code == 200


@pytest.mark.parametrize("password", ["its own", "withdrawn"])
async def test_an_account_that_was_here_before_is_linked_and_never_overwritten(
    corner: Corner,
    clerk: Clerk,
    worker: WorkerProcess,
    door: ServiceProcess,
    mailroom: Mailroom,
    password: str,
) -> None:
    person = await member(door, mailroom)
    if password == "withdrawn":
        await corner.fetch(
            "UPDATE accounts SET password_hash = NULL WHERE email = $1", person.email
        )
    [before] = await corner.fetch("SELECT * FROM accounts WHERE email = $1", person.email)
    user = ClerkUser(email=person.email.upper(), first_name="Mallory", username="mallory")
    linked = await created(corner, clerk, worker, user)
    assert not linked.pop("made_account")
    assert linked == dict(before)
    await decided(
        worker, "applied", lambda: clerk.update(user.changed(email="mallory@example.org"))
    )
    await decided(worker, "applied", lambda: clerk.delete(user))
    [after] = await corner.fetch("SELECT * FROM accounts WHERE email = $1", person.email)
    assert dict(after) == dict(before)


async def test_an_unverified_user_waits_until_clerk_has_verified_the_address(
    corner: Corner, clerk: Clerk, worker: WorkerProcess, door: ServiceProcess, mailroom: Mailroom
) -> None:
    person = await member(door, mailroom)
    thief = ClerkUser(email=person.email, verified=False)
    nobody = ClerkUser(email=None)
    await decided(worker, "unverified", lambda: clerk.create(thief), lambda: clerk.create(nobody))
    assert await account_of(corner, thief) is None
    assert await account_of(corner, nobody) is None
    reached = nobody.changed(email=f"reached.{nobody.id}@example.org")
    await decided(worker, "applied", lambda: clerk.update(reached))
    assert await account_of(corner, nobody) is not None


async def test_the_newest_word_counts_in_whatever_order_it_comes(
    corner: Corner, clerk: Clerk, worker: WorkerProcess
) -> None:
    first = ClerkUser(first_name="One", username=None)
    second = first.changed(first_name="Two")
    third = second.changed(email=f"new.{first.email}")
    fourth = third.changed(first_name="Four", email=f"late.{first.email}", verified=False)
    words = [first, second, third, fourth]
    before, newest = worker.metric(OUTCOMES), []
    for number, order in enumerate(itertools.permutations(range(4))):
        mine = [
            replace(word, id=f"{first.id}{number}", email=f"{number}.{word.email}")
            for word in words
        ]
        for at in (*order, order[0]):
            clerk.update(mine[at])
        newest.append(mine[2].email)

    async def all_decided() -> bool:
        return worker.metric(OUTCOMES) == before + 24 * 5

    await until(all_decided, within=40)
    rows = await corner.fetch(
        "SELECT accounts.name, accounts.email FROM clerk_users"
        " JOIN accounts ON accounts.id = account_id WHERE starts_with(clerk_users.id, $1)",
        first.id,
    )
    assert {row["email"] for row in rows} == set(newest)
    assert {row["name"] for row in rows} == {"Four Example"}


@pytest.mark.parametrize("password", ["its owner's", "imported"])
async def test_an_account_whose_password_was_set_or_withdrawn_here_is_never_clerks_again(
    corner: Corner,
    clerk: Clerk,
    worker: WorkerProcess,
    door: ServiceProcess,
    mailroom: Mailroom,
    password: str,
) -> None:
    user = ClerkUser()
    await created(corner, clerk, worker, user)
    if password == "imported":
        await corner.fetch(
            "UPDATE accounts SET password_hash = $2 WHERE email = $1", user.email, CHEAPEST
        )
    else:
        async with door.client() as client:
            await recovered(client, mailroom, Person(email=user.email or ""))
    # As soon as an account is in danger, an administrator withdraws its password.
    forced = command(corner, "admin", "users", "force-reset", user.email or "")
    assert forced.returncode == 0, forced.stderr
    thiefs = user.changed(email=f"thief.{user.email}", first_name="Thief")
    await decided(worker, "applied", lambda: clerk.update(thiefs))
    account = await account_of(corner, user)
    assert account is not None
    assert account["password_hash"] is None
    assert (account["email"], account["name"]) == (user.email, "Ann Example")
    await decided(worker, "applied", lambda: clerk.delete(user))
    [left] = await corner.fetch("SELECT email FROM accounts WHERE id = $1", account["id"])
    assert left["email"] == user.email


@pytest.mark.parametrize("mark", ["status = 'disabled'", "role = 'admin'"])
async def test_clerk_decides_neither_on_disabled_accounts_nor_on_administrators(
    corner: Corner, clerk: Clerk, worker: WorkerProcess, mark: str
) -> None:
    user = ClerkUser()
    account = await created(corner, clerk, worker, user)
    await corner.fetch(f"UPDATE accounts SET {mark} WHERE id = $1", account["id"])
    moved = user.changed(email=f"moved.{user.email}")
    await decided(worker, "applied", lambda: clerk.update(moved))
    await decided(worker, "applied", lambda: clerk.delete(user))
    # The address stays what it was, so that nobody begins anew with it.
    [left] = await corner.fetch("SELECT email FROM accounts WHERE id = $1", account["id"])
    assert left["email"] == user.email
    again = ClerkUser(email=user.email)
    joined = await created(corner, clerk, worker, again)
    assert joined["id"] == account["id"]
    assert not joined["made_account"]


async def test_an_address_that_a_user_gave_up_joins_nobody(
    corner: Corner, clerk: Clerk, worker: WorkerProcess, door: ServiceProcess, mailroom: Mailroom
) -> None:
    person = await member(door, mailroom)  # who has the mailbox by now
    before = ClerkUser(email=person.email)
    since = before.changed(email=None)
    await decided(worker, "unverified", lambda: clerk.update(since), lambda: clerk.create(before))
    assert await account_of(corner, before) is None


async def test_a_recovery_unlinks_a_user_who_gave_the_address_up_at_clerk(
    corner: Corner, clerk: Clerk, worker: WorkerProcess, door: ServiceProcess, mailroom: Mailroom
) -> None:
    left, stays = ClerkUser(), ClerkUser()
    for user in (left, stays):
        await created(corner, clerk, worker, user)
    await decided(worker, "applied", lambda: clerk.update(left.changed(email=None)))
    async with door.client() as client:
        for user in (left, stays):
            await recovered(client, mailroom, Person(email=user.email or ""))
    assert await account_of(corner, left) is None
    assert await account_of(corner, stays) is not None


async def test_a_deletion_is_final(corner: Corner, clerk: Clerk, worker: WorkerProcess) -> None:
    user, unheard = ClerkUser(), ClerkUser()
    account = await created(corner, clerk, worker, user)
    await decided(worker, "applied", lambda: clerk.delete(user), lambda: clerk.delete(unheard))
    assert await corner.fetch("SELECT FROM accounts WHERE id = $1", account["id"]) == []
    later = milliseconds() + 60_000
    await decided(
        worker,
        "deleted",
        lambda: clerk.update(user.changed(updated_at=later)),
        lambda: clerk.create(unheard),
        lambda: clerk.update(unheard.changed(updated_at=later)),
    )
    emails = [user.email, unheard.email]
    assert await corner.fetch("SELECT FROM accounts WHERE email = ANY($1)", emails) == []
    kept = await corner.fetch("SELECT * FROM clerk_users WHERE id = $1", user.id)
    assert kept[0]["deleted"]
    assert kept[0]["email"] is None
    # The address is free for whoever has it next.
    another = ClerkUser(email=user.email)
    assert (await created(corner, clerk, worker, another))["email"] == user.email


async def test_an_account_that_is_deleted_here_does_not_come_back_from_clerk(
    corner: Corner, clerk: Clerk, worker: WorkerProcess, door: ServiceProcess, mailroom: Mailroom
) -> None:
    person = await member(door, mailroom)
    user = ClerkUser(email=person.email)
    await created(corner, clerk, worker, user)
    async with door.client() as client:
        token = (await log_in(client, person)).json()["data"]["token"]
        answer = await client.request(
            "DELETE",
            "/api/auth/profile",
            json={"password": person.password},
            headers={"Authorization": f"Bearer {token}"},
        )
        assert answer.status_code == 200
    await decided(worker, "deleted", lambda: clerk.update(user.changed()))
    assert await corner.fetch("SELECT FROM accounts WHERE email = $1", person.email) == []


async def test_what_cannot_be_decided_is_a_dead_letter_and_settles_when_the_address_is_free(
    corner: Corner, clerk: Clerk, worker: WorkerProcess
) -> None:
    owner = ClerkUser()
    await created(corner, clerk, worker, owner)
    newcomer = ClerkUser(email=owner.email)
    odd = ClerkUser(email="ｕser@example.org")
    await decided(
        worker,
        "dead",
        lambda: clerk.create(newcomer),
        lambda: clerk.create(odd),
        lambda: clerk.tell("user.deleted", {"object": "user", "deleted": True}),
    )
    assert await account_of(corner, newcomer) is None
    assert (owner.email or "") not in worker.log

    await decided(
        worker,
        "applied",
        lambda: clerk.update(owner.changed(email=f"new.{owner.email}")),
    )
    moved = await account_of(corner, owner)
    assert moved is not None
    assert moved["email"] == f"new.{owner.email}"
    # Said again, as the dead letters' replay would; the worker asks by itself twice a minute.
    await decided(worker, "applied", lambda: clerk.create(newcomer))
    joined = await account_of(corner, newcomer)
    assert joined is not None
    assert joined["email"] == owner.email
    [row] = await corner.fetch("SELECT contested FROM clerk_users WHERE id = $1", newcomer.id)
    assert not row["contested"]


async def test_what_waits_settles_by_itself(corner: Corner, clerk: Clerk) -> None:
    owner, newcomer = ClerkUser(), ClerkUser()
    with WorkerProcess.started(corner.variables, **SECRETS) as worker:
        worker.come_up()
        clerk.create(owner)

        async def made() -> bool:
            return await account_of(corner, owner) is not None

        await until(made, within=40)
        clerk.create(newcomer.changed(email=owner.email))

        async def waits() -> bool:
            rows = await corner.fetch(
                "SELECT FROM clerk_users WHERE id = $1 AND contested", newcomer.id
            )
            return bool(rows)

        await until(waits, within=20)
        clerk.delete(owner)

        async def gone() -> bool:
            return await account_of(corner, owner) is None

        await until(gone, within=20)
    # A worker looks at its start, and twice a minute.
    with WorkerProcess.started(corner.variables, **SECRETS):

        async def settled() -> bool:
            account = await account_of(corner, newcomer)
            return account is not None and account["email"] == owner.email

        await until(settled, within=20)


async def test_clerks_users_have_names_that_a_name_may_be(
    corner: Corner, clerk: Clerk, worker: WorkerProcess
) -> None:
    hostile = {
        "<script>alert(1)</script>": None,
        "www.example.org buy now": None,
        "a\u202eb": None,
        "": None,
        "x" * 500: None,
        "a\x00b": None,
    }
    users = [ClerkUser(first_name=name, last_name=None) for name in hostile]
    users.append(ClerkUser(first_name=None, last_name=None, username="fallback.name"))
    await decided(worker, "applied", *((lambda each=each: clerk.create(each)) for each in users))
    for user in users:
        account = await account_of(corner, user)
        assert account is not None
        expected = user.username or (user.email or "").partition("@")[0]
        assert account["name"] == expected


async def test_a_message_that_comes_twice_at_once_is_applied_once(
    corner: Corner, clerk: Clerk, worker: WorkerProcess, door: ServiceProcess
) -> None:
    user, before = ClerkUser(), worker.metric(OUTCOMES)
    body = told("user.created", user.data, user.updated_at)
    async with door.client() as client:
        answers = await asyncio.gather(
            *(
                client.post("/webhooks/clerk", content=body, headers=headers(body))
                for _ in range(20)
            )
        )
    assert {answer.status_code for answer in answers} == {200}

    async def all_decided() -> bool:
        return worker.metric(OUTCOMES) == before + 20

    await until(all_decided, within=40)
    account = await account_of(corner, user)
    assert account is not None
    events = await corner.fetch("SELECT FROM outbox WHERE key = $1", str(account["id"]))
    assert len(events) == 1
