"""A deleted account is gone at once and for good, and so is who its owner was."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import Any
from uuid import UUID

import httpx
import pytest
import redis

from dev_stack.ports import free_port
from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import (
    Person,
    SignedIn,
    fresh_network,
    log_in,
    member,
    outcome,
    register,
    sign_in,
    verify,
    wrong,
)
from tests.recoveries import recover, recovered, reset
from tests.service_process import ServiceProcess
from tests.user_service.ledger import audited, held, id_of, told
from tests.user_service.moving import Mover
from tests.user_service.time_travel import copied, let_pass

pytestmark = pytest.mark.anyio

PROFILE = "/api/auth/profile"
REJECTED = (401, "token_rejected")
EXPIRED = (410, "code_expired")
WRONG_PASSWORD = (403, "wrong_password")
WAIT = (429, "too_many_requests")


async def delete(
    client: httpx.AsyncClient, person: Person, tokens: SignedIn, **fields: Any
) -> httpx.Response:
    headers = {**tokens.headers, "x-forwarded-for": person.network}
    body = {"password": person.password, **fields}
    return await client.request("DELETE", PROFILE, json=body, headers=headers)


async def deleted(client: httpx.AsyncClient, person: Person) -> None:
    answer = await delete(client, person, await sign_in(client, person))
    assert (answer.status_code, answer.json()["data"]) == (200, None)


async def test_every_token_of_the_account_is_dead_at_once(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        id = await id_of(corner, person.email)
        sessions = [await sign_in(client, person) for _ in range(3)]
        assert (await delete(client, person, sessions[0])).status_code == 200
        for tokens in sessions:
            profile = await client.get(PROFILE, headers=tokens.headers)
            refresh = await client.post("/api/auth/refresh", json={"refresh_token": tokens.refresh})
            assert outcome(profile) == REJECTED
            assert outcome(refresh) == (401, "refresh_token_rejected")
            assert outcome(await delete(client, person, tokens)) == REJECTED
        assert outcome(await log_in(client, person)) == (401, "wrong_credentials")
    assert await corner.fetch("SELECT FROM accounts WHERE id = $1", id) == []
    assert await corner.fetch("SELECT FROM sessions WHERE account_id = $1", id) == []


async def test_other_services_are_told_the_id_only_and_the_owner_gets_a_farewell(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        id = await id_of(corner, person.email)
        await deleted(client, person)
    revoked, event, farewell = (await told(corner, id))[-3:]
    assert [each["topic"] for each in (revoked, event, farewell)] == [
        "sessions_revoked",
        "user_deleted",
        "send-notice",
    ]
    assert event.keys() == {"topic", "version", "user_id", "account_version", "deleted_at"}
    assert (event["user_id"], event["account_version"]) == (str(id), revoked["account_version"] + 1)
    assert (farewell["email"], farewell["address"]) == ("account-deleted", person.email)
    assert farewell["user_id"] is None


async def test_the_password_is_asked_for_and_guessing_it_is_throttled(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        tokens = await sign_in(client, person)
        guesses = [await delete(client, person, tokens, password="not it") for _ in range(6)]
        assert [outcome(guess) for guess in guesses] == [WRONG_PASSWORD] * 5 + [WAIT]
        assert outcome(await delete(client, person, tokens)) == WAIT
        refused = await client.request("DELETE", PROFILE, headers=tokens.headers)
        assert outcome(refused) == (400, "invalid_request")
        let_pass(corner, 30)
        assert (await client.get(PROFILE, headers=tokens.headers)).status_code == 200
        assert (await delete(client, person, tokens)).status_code == 200


async def test_a_deletion_proven_by_a_password_that_was_changed_meanwhile_is_refused(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        tokens = await sign_in(client, person)
        id = await id_of(corner, person.email)
        async with held(corner, id) as lock:
            deleting = asyncio.create_task(delete(client, person, tokens))
            await lock.waiting(1)
            await lock.execute("UPDATE accounts SET epoch = epoch + 1 WHERE id = $1", id)
        assert outcome(await deleting) == WRONG_PASSWORD
        assert (await client.get(PROFILE, headers=tokens.headers)).status_code == 200


async def test_two_deletions_at_once_are_one(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        id = await id_of(corner, person.email)
        tokens = [await sign_in(client, person) for _ in range(2)]
        answers = await asyncio.gather(*[delete(client, person, each) for each in tokens])
    assert sorted(outcome(answer) for answer in answers) == [(200, ""), REJECTED]
    assert len(await told(corner, id, "user_deleted")) == 1


async def test_no_dead_token_deletes(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    people = [await member(service, mailroom) for _ in range(3)]
    _, expired, disabled = people
    async with service.client() as client:
        tokens = [await sign_in(client, each) for each in people]
        await client.post("/api/auth/logout", headers=tokens[0].headers)
        await corner.fetch(
            "UPDATE sessions SET expires_at = now() WHERE account_id = $1",
            await id_of(corner, expired.email),
        )
        await corner.fetch(
            "UPDATE accounts SET status = 'disabled' WHERE email = $1", disabled.email
        )
        for person, each in zip(people, tokens, strict=True):
            # Nor is it told whether a password is right.
            assert outcome(await delete(client, person, each, password="not it")) == REJECTED
            assert outcome(await delete(client, person, each)) == REJECTED
    emails = [person.email for person in people]
    assert len(await corner.fetch("SELECT FROM accounts WHERE email = ANY($1)", emails)) == 3


# -- what may happen afterwards --------------------------------------------------------------------


async def test_the_address_registers_again_at_once_and_the_username_is_nobodys(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    username = f"u{secrets.token_hex(6)}"
    person = await member(service, mailroom, username=username)
    async with service.client() as client:
        first = await id_of(corner, person.email)
        await deleted(client, person)
        person.network = fresh_network()  # its mail budget is a minute's matter
        refused = await client.post(
            "/api/auth/register",
            json=person.registration(username=username),
            headers={"x-forwarded-for": person.network},
        )
        assert outcome(refused) == (409, "username_taken")
        registration_id = await register(client, person)
        assert mailroom.about(registration_id).email == "one-time-code"
        answer = await verify(client, person, registration_id, mailroom.code(registration_id))
        assert answer.status_code == 201
        assert (await log_in(client, person)).status_code == 200
    assert await id_of(corner, person.email) != first


@pytest.mark.parametrize("remembered", ["open", "verified", "committed", "forgotten"])
async def test_a_repeated_verification_does_not_bring_the_account_back(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner, remembered: str
) -> None:
    """Whatever Redis remembers of the registration: it may have lost its last second."""
    person = Person()
    async with service.client() as client:
        registration_id = await register(client, person)
        code = mailroom.code(registration_id)
        key = f"challenge:register:{registration_id}"
        with copied(corner, key) if remembered in ("open", "verified") else nullcontext():
            await verify(client, person, registration_id, code)
            id = await id_of(corner, person.email)
            if remembered == "committed":
                with copied(corner, key):
                    await deleted(client, person)
            else:
                await deleted(client, person)
        if remembered == "verified":
            with redis.Redis.from_url(corner.redis_url) as connection:
                connection.hset(key, "state", "verified")
        for _ in range(2):
            again = await verify(client, person, registration_id, code)
            assert outcome(again) == EXPIRED
        assert outcome(await log_in(client, person)) == (401, "wrong_credentials")
    assert await corner.fetch("SELECT FROM accounts WHERE email = $1", person.email) == []
    assert len(await told(corner, id, "user_registered")) == 1


async def test_a_verification_that_overtakes_the_deletion_does_not_bring_the_account_back(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    """It begins to insert while the row is still there, and waits for its deletion to commit."""
    person = Person()
    async with service.client() as client:
        registration_id = await register(client, person)
        code = mailroom.code(registration_id)
        with copied(corner, f"challenge:register:{registration_id}"):
            await verify(client, person, registration_id, code)
        id = await id_of(corner, person.email)
        async with held(corner, id) as lock:
            await lock.execute("DELETE FROM accounts WHERE id = $1", id)
            await lock.execute("INSERT INTO deleted_accounts (id) VALUES ($1)", id)
            again = asyncio.create_task(verify(client, person, registration_id, code))
            await lock.waiting(1)
        assert outcome(await again) == EXPIRED
    assert await corner.fetch("SELECT FROM accounts WHERE email = $1", person.email) == []


async def test_a_login_that_the_deletion_overtakes_opens_nothing(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        tokens = await sign_in(client, person)
        id = await id_of(corner, person.email)
        async with held(corner, id) as lock:
            deleting = asyncio.create_task(delete(client, person, tokens))
            await lock.waiting(1)
            late = asyncio.create_task(log_in(client, person))
            await lock.waiting(2)
        assert (await deleting).status_code == 200
        assert outcome(await late) == (401, "wrong_credentials")


async def test_codes_that_were_asked_for_before_are_dead(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    mover = await Mover.ready(service, mailroom)
    person = mover.person
    async with service.client() as client:
        recovery_id, change_id = await recover(client, person), await mover.begin(client)
        await deleted(client, person)
        late = await reset(client, person, recovery_id, mailroom.code(recovery_id))
        assert outcome(late) == EXPIRED
        assert outcome(await mover.verify(client, mailroom.code(change_id))) == REJECTED
        # Nor do they count for whoever registers the address next.
        person.network = fresh_network()
        registration_id = await register(client, person)
        await verify(client, person, registration_id, mailroom.code(registration_id))
        late = await reset(client, person, recovery_id, mailroom.code(recovery_id))
        assert outcome(late) == EXPIRED
        assert (await log_in(client, person)).status_code == 200


async def test_strangers_cannot_tell_a_deletion_from_what_was_open_for_the_address(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    """Their attempts are answered as before, as they would be had there never been an account."""
    person = await member(service, mailroom)
    stranger = Person(email=person.email)
    async with service.client() as client:
        attempt, recovery = await register(client, stranger), await recover(client, stranger)
        code = mailroom.code(attempt)
        answers = []
        for _ in range(2):
            answers.append(outcome(await verify(client, stranger, attempt, wrong(code))))
            answers.append(outcome(await reset(client, stranger, recovery, wrong(code))))
            if len(answers) == 2:
                await deleted(client, person)
    assert answers == [(400, "wrong_code")] * 4


# -- what is remembered of the person --------------------------------------------------------------


async def test_postgres_remembers_the_username_and_nothing_else_of_the_person(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    username = f"u{secrets.token_hex(6)}"
    person = await member(service, mailroom, username=username, name=f"Ann {secrets.token_hex(6)}")
    mover = Mover(person, SignedIn("", ""))
    first_address = person.email
    async with service.client(person.network) as client:
        await recovered(client, mailroom, person)
        mover.tokens = await sign_in(client, person)
        await client.patch(PROFILE, json={"name": f"{person.name} Lee"}, headers=mover.headers)
        await mover.move(client, mailroom)
        id = await id_of(corner, person.email)
        # Some of it is produced before the deletion, some is not.
        with worker(corner):
            await acknowledged(corner, id)
        await sign_in(client, person)
        await client.patch(PROFILE, json={"name": f"Dr {person.name}"}, headers=mover.headers)
        mover.wanted = Person().email
        await mover.begin(client)
        await deleted(client, person)

    secret = (first_address, person.email, mover.wanted, person.name, person.network)
    left = await mentions(corner, *secret)
    # What waits for Kafka goes out first, and forgets then.
    assert {table for table, _ in left} == {"outbox"}
    assert all(row["acknowledged_at"] is None and row["erase"] for _, row in left)
    with worker(corner):
        await acknowledged(corner, id)
    assert await mentions(corner, *secret) == []
    assert [table for table, _ in await mentions(corner, username)] == ["claimed_usernames"]
    # Other services can still be told what happened in which order, and who did what is known.
    assert [event["topic"] for event in await told(corner, id)][-2:] == [
        "user_deleted",
        "send-notice",
    ]
    assert (await audited(corner, id))[-1] == ("deleted", "done")


async def test_redis_forgets_what_was_proven_and_what_was_begun(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    mover = await Mover.ready(service, mailroom)
    person = mover.person
    async with service.client() as client:
        await recovered(client, mailroom, person)
        mover.tokens = await sign_in(client, person)
        await mover.begin(client)
        assert len(remembering(corner, person.email)) == 2
        assert len(remembering(corner, mover.wanted)) == 1
        await deleted(client, person)
    assert remembering(corner, person.email) == []
    assert remembering(corner, mover.wanted) == []


async def test_redis_forgets_a_move_that_was_made(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    mover = await Mover.ready(service, mailroom)
    async with service.client() as client:
        await mover.move(client, mailroom)
        assert len(remembering(corner, mover.person.email)) == 1
        await deleted(client, mover.person)
    assert remembering(corner, mover.person.email) == []


def remembering(corner: Corner, address: str) -> list[bytes]:
    """The keys in Redis that hold an address, in their names or in what they hold."""
    with redis.Redis.from_url(corner.redis_url) as connection:
        return [
            key
            for key in connection.scan_iter("*")
            if address in str((key, _held(connection, key)))
        ]


def _held(connection: redis.Redis, key: bytes) -> object:
    readers: dict[bytes | str, Callable[..., object]] = {
        b"hash": connection.hgetall,
        b"zset": lambda key: connection.zrange(key, 0, -1),
        b"string": connection.get,
    }
    kind = connection.type(key)
    return readers[kind](key) if kind != b"none" else None


async def mentions(corner: Corner, *texts: str) -> list[tuple[str, Any]]:
    """Every row of every table that holds one of these texts."""
    tables = await corner.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    found = []
    for (table,) in tables:
        for text in texts:
            query = f'SELECT * FROM "{table}" AS r WHERE position($1 IN r::text) > 0'
            found += [(table, row) for row in await corner.fetch(query, text)]
    return found


@contextmanager
def worker(corner: Corner) -> Iterator[None]:
    """The worker daemon, which relays the outbox."""
    variables = corner.variables | {"WORKER_PROBE_PORT": str(free_port())}
    process = subprocess.Popen(
        [sys.executable, "-m", "user_service", "worker"], env=variables, stdout=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(20) == 0


async def acknowledged(corner: Corner, id: object) -> None:
    """Return once Kafka has all that the outbox holds about an account."""
    query = "SELECT FROM outbox WHERE key = $1 AND acknowledged_at IS NULL"
    for _ in range(300):
        if not await corner.fetch(query, str(id)):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the outbox was not relayed")


# -- busy accounts ---------------------------------------------------------------------------------


async def test_an_account_that_has_gathered_more_than_one_statement_deletes_can_be_deleted(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        tokens = await sign_in(client, person)
        id = await id_of(corner, person.email)
        await gather_traces(corner, id, 15_000)
        answers: list[tuple[int, str]] = []
        async with slow_deletions(corner):
            while not answers or (answers[-1][0] == 503 and len(answers) < 8):
                answers.append(outcome(await delete(client, person, tokens)))
    assert answers[-1] == (200, ""), answers
    for query in (
        "SELECT FROM sessions WHERE account_id = $1::text::uuid",
        "SELECT FROM audit WHERE account_id = $1::text::uuid AND address IS NOT NULL",
        "SELECT FROM outbox WHERE key = $1 AND NOT erase AND topic = 'user_updated'",
    ):
        assert await corner.fetch(query + " LIMIT 1", str(id)) == []


async def gather_traces(corner: Corner, id: UUID, many: int) -> None:
    """Ended sessions, entries of the audit and produced events with a name, so many of each."""
    for query in (
        """
        INSERT INTO sessions (account_id, ends_by, expires_at, ended_at, address, user_agent)
        SELECT $1::text::uuid, now(), now(), now(), '10.0.0.1', '' FROM generate_series(1, $2)
        """,
        """
        INSERT INTO audit (account_id, actor, action, outcome, address)
        SELECT $1::text::uuid, 'self', 'logged_in', 'done', '10.0.0.1' FROM generate_series(1, $2)
        """,
        """
        INSERT INTO outbox (topic, key, payload, acknowledged_at)
        SELECT 'user_updated', $1, '{"name": "Ann"}', now() FROM generate_series(1, $2)
        """,
    ):
        await corner.fetch(query, str(id), many)


@asynccontextmanager
async def slow_deletions(corner: Corner) -> AsyncIterator[None]:
    """Postgres needs a quarter of a millisecond for a session, so that 15,000 would do."""
    await corner.fetch(
        """
        CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF random() < 0.25 THEN PERFORM pg_sleep(0.001); END IF;
                RETURN OLD;
            END
        $$
        """
    )
    await corner.fetch(
        "CREATE TRIGGER slowly BEFORE DELETE ON sessions FOR EACH ROW EXECUTE FUNCTION slowly()"
    )
    yield
    await corner.fetch("DROP FUNCTION slowly CASCADE")
