"""Users of Clerk come along, and from then on its webhooks are heeded as if they always had."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from shared.events import ClerkUserChanged
from tests.corner import Corner
from tests.people import PASSWORD, Person, fresh_address, log_in
from tests.service_process import ServiceProcess
from tests.user_service.accounts import opened
from tests.user_service.foreign_digests import digests_of
from tests.user_service.import_files import HEADER
from tests.user_service.importing import bring, who_is
from tests.user_service.ledger import audited, held, id_of
from user_service.audit.audit_store import Actor
from user_service.clerk.following import Following, Outcome
from user_service.identity import clerk_store
from user_service.identity.clerk_store import ClerkUser
from user_service.imports.candidates import Candidate
from user_service.imports.flow import Import

pytestmark = pytest.mark.anyio

DIGESTS = digests_of(PASSWORD)


def _fresh_id() -> str:
    return f"user_{secrets.token_hex(8)}"


def _row(id: str, address: str, **cells: str) -> str:
    names = HEADER.split(",")
    given = {"id": id, "primary_email_address": address, "verified_email_addresses": address}
    return ",".join((given | cells).get(name, "") for name in names)


def _csv(path: Path, *rows: str) -> Path:
    path.write_text("\n".join([HEADER, *rows]))
    return path


def _update(id: str, address: str | None, name: str = "") -> ClerkUserChanged:
    """As old as a webhook can be."""
    return ClerkUserChanged(
        clerk_user_id=id, deleted=False, updated_at=1, sent_at=1, email=address, name=name
    )


async def _settled(corner: Corner) -> tuple[str, UUID]:
    address = fresh_address()
    await corner.fetch(
        "INSERT INTO accounts (id, email, name, version) VALUES ($1, $2, 'Settled', 1)",
        uuid4(),
        address,
    )
    return address, await id_of(corner, address)


async def test_an_account_that_was_here_is_linked_and_nothing_of_it_changes(
    corner: Corner, tmp_path: Path
) -> None:
    address, id = await _settled(corner)
    before = await corner.fetch("SELECT * FROM accounts WHERE id = $1", id)
    clerk_id = _fresh_id()
    more = {"first_name": "Other", "username": "other", "password_digest": DIGESTS["bcrypt 2a"]}
    file = _csv(tmp_path / "clerk.csv", _row(clerk_id, address, **more))
    assert bring(corner, "clerk", file, "--json").totals["linked"] == 1
    assert await corner.fetch("SELECT * FROM accounts WHERE id = $1", id) == before
    assert await who_is(corner, address) == {address: (clerk_id, False, None, False)}
    assert await audited(corner, id) == [("clerk_linked", "done")]
    assert not await corner.fetch("SELECT FROM outbox WHERE key = $1", str(id))
    assert bring(corner, "clerk", file, "--json").totals["already_here"] == 1


async def test_a_password_comes_to_an_account_that_a_webhook_had_made_before(
    corner: Corner, service: ServiceProcess, tmp_path: Path
) -> None:
    ids, addresses = [_fresh_id() for _ in range(3)], [fresh_address() for _ in range(3)]
    async with opened(corner) as db:
        for id, address in zip(ids, addresses, strict=True):
            await Following(db).apply(_update(id, address))
    chosen, withdrawn = addresses[1:]
    await corner.fetch("UPDATE accounts SET password_chosen = true WHERE email = $1", withdrawn)
    await corner.fetch(
        "UPDATE accounts SET password_chosen = true, password_hash = $2 WHERE email = $1",
        *(chosen, DIGESTS["argon2id"]),
    )
    before = await corner.fetch("SELECT * FROM accounts WHERE email = ANY($1)", addresses[1:])
    digest = {"password_digest": DIGESTS["bcrypt 2a"]}
    rows = [_row(id, at, **digest) for id, at in zip(ids, addresses, strict=True)]
    file = _csv(tmp_path / "clerk.csv", *rows, rows[0])
    for dry, completed in (("--dry-run", 1), ("--json", 1), ("--json", 0)):
        totals = bring(corner, "clerk", file, "--json", dry).totals
        assert (totals["completed"], totals["already_here"]) == (completed, 4 - completed)
    after = await corner.fetch("SELECT * FROM accounts WHERE email = ANY($1)", addresses[1:])
    assert after == before
    async with service.client() as client:
        assert (await log_in(client, Person(email=addresses[0]))).status_code == 200


async def test_what_webhooks_have_told_outranks_a_file(corner: Corner, tmp_path: Path) -> None:
    gone, unverified, made, free = (_fresh_id() for _ in range(4))
    taken = fresh_address()
    async with opened(corner) as db:
        following = Following(db)
        deletion = ClerkUserChanged(clerk_user_id=gone, deleted=True, updated_at=1, sent_at=1)
        assert await following.apply(deletion) is Outcome.APPLIED
        event = _update(unverified, None)
        assert await following.apply(event) is Outcome.UNVERIFIED
        assert await following.apply(_update(made, taken)) is Outcome.APPLIED
    before = await corner.fetch("SELECT * FROM clerk_users WHERE id <> $1 ORDER BY id", free)
    rows = [
        _row(gone, fresh_address()),
        _row(unverified, fresh_address()),
        _row(made, fresh_address()),
        _row(free, taken),
    ]
    totals = bring(corner, "clerk", _csv(tmp_path / "clerk.csv", *rows), "--json").totals
    assert (totals["created"], totals["linked"], totals["already_here"]) == (0, 0, 1)
    assert totals["skipped"] == {
        "user deleted, at Clerk or here": 1,
        "webhooks know more of the user, and decide": 1,
        "account stands for another user of Clerk": 1,
    }
    after = await corner.fetch("SELECT * FROM clerk_users WHERE id <> $1 ORDER BY id", free)
    assert after == before
    assert (await who_is(corner, taken))[taken][3] is False


async def test_any_webhook_outranks_what_a_file_said(corner: Corner, tmp_path: Path) -> None:
    address, newer, clerk_id = fresh_address(), fresh_address(), _fresh_id()
    bring(corner, "clerk", _csv(tmp_path / "clerk.csv", _row(clerk_id, address)))
    id = await id_of(corner, address)
    async with opened(corner) as db:
        moved = _update(clerk_id, newer, name="Newer Name")
        assert await Following(db).apply(moved) is Outcome.APPLIED
    rows = await corner.fetch("SELECT name, email FROM accounts WHERE id = $1", id)
    assert [tuple(row) for row in rows] == [("Newer Name", newer)]


async def test_digests_are_read_as_clerk_says_they_were_made(
    service: ServiceProcess, corner: Corner, tmp_path: Path
) -> None:
    plain = DIGESTS["pbkdf2 of Django"]
    encoded = DIGESTS["pbkdf2 of passlib"].replace("$pbkdf2-", "pbkdf2_").replace(".", "+") + "="
    people = [
        (Person(), "bcrypt", DIGESTS["bcrypt 2a"], True),
        (Person(), "argon2id", DIGESTS["argon2id"], True),
        (Person(), "pbkdf2_sha256_django", plain, True),
        (Person(), "pbkdf2_sha256", encoded, True),
        (Person(), "scrypt_werkzeug", DIGESTS["scrypt of werkzeug"], True),
        (Person(), "bcrypt_peppered", DIGESTS["bcrypt 2b"], False),
        (Person(), "md5", "5f4dcc3b5aa765d61d8327deb882cf99", False),
    ]
    rows = [
        _row(
            _fresh_id(),
            person.email,
            password_digest=f'"{digest}"',
            password_hasher=hasher,
            totp_secret="" if known else "NBSWY3DP",
        )
        for person, hasher, digest, known in people
    ]
    file = _csv(tmp_path / "clerk.csv", *rows)
    report = tmp_path / "report"
    done = bring(corner, "clerk", file, "--json", "--report", report)
    assert done.totals["created_without"] == {
        "password digest of no format that is known here": 2,
        "second factor: there are none here": 2,
    }
    assert "NBSWY3DP" not in done.out + done.err + report.read_text()
    async with service.client() as client:
        for person, hasher, _, known in people:
            answer = await log_in(client, person)
            assert answer.status_code == (200 if known else 401), hasher


def _candidate(address: str, **more: str) -> Candidate:
    return Candidate(
        line=1,
        id=uuid4(),
        email=address,
        name="Ann",
        username=more.get("username"),
        password_hash=None,
        created_at=None,
        clerk_id=more.get("clerk_id"),
        losses=(),
    )


async def _outcomes(corner: Corner, *batch: Candidate) -> list[str]:
    async with opened(corner) as db:
        verdicts = await Import(db, Actor("operator", "test")).run(batch)
    return [" ".join((verdict.outcome, *verdict.losses)) for verdict in verdicts]


async def test_who_registers_while_a_batch_is_written_is_found_there(corner: Corner) -> None:
    address, other = fresh_address(), fresh_address()
    clerk_id = _fresh_id()
    registering = await asyncpg.connect(corner.database_url)
    transaction = registering.transaction()
    await transaction.start()
    await registering.execute(
        "INSERT INTO accounts (id, email, name, version) VALUES ($1, $2, 'Faster', 1)",
        uuid4(),
        address,
    )
    batch = [_candidate(other), _candidate(address, clerk_id=clerk_id)]
    settling = asyncio.create_task(_outcomes(corner, *batch))
    await _somebody_waits(corner)
    await transaction.commit()
    await registering.close()
    assert await settling == ["created", "linked"]
    assert people_of_one(await corner.fetch(WHO, address)) == ("Faster", clerk_id, False)
    assert len(await corner.fetch("SELECT FROM outbox WHERE payload LIKE $1", f"%{other}%")) == 1


async def test_a_webhook_that_is_being_applied_is_waited_for(corner: Corner) -> None:
    address, clerk_id = fresh_address(), _fresh_id()
    async with opened(corner) as db:
        async with db.transaction() as tx:
            await clerk_store.lock(tx, clerk_id)
            await clerk_store.save(tx, ClerkUser(id=clerk_id, deleted=True))
            settling = asyncio.create_task(
                _outcomes(corner, _candidate(address, clerk_id=clerk_id))
            )
            await _somebody_waits(corner)
        assert await settling == ["skipped"]
    assert not await who_is(corner, address)


async def test_a_username_that_is_lost_in_a_race_costs_the_username_alone(corner: Corner) -> None:
    address, name = fresh_address(), f"u{secrets.token_hex(4)}"
    registering = await asyncpg.connect(corner.database_url)
    transaction = registering.transaction()
    await transaction.start()
    await registering.execute(
        "INSERT INTO claimed_usernames (username, account_id) VALUES ($1, $2)", name, uuid4()
    )
    settling = asyncio.create_task(_outcomes(corner, _candidate(address, username=name)))
    await _somebody_waits(corner)
    await transaction.commit()
    await registering.close()
    assert await settling == ["created username taken"]


async def test_an_account_that_is_being_deleted_is_waited_for(corner: Corner) -> None:
    address, id = await _settled(corner)
    clerk_id = _fresh_id()
    async with held(corner, id) as lock:
        settling = asyncio.create_task(_outcomes(corner, _candidate(address, clerk_id=clerk_id)))
        await lock.waiting(1)
        await lock.execute("DELETE FROM accounts WHERE id = $1", id)
    assert await settling == ["created"]
    assert people_of_one(await corner.fetch(WHO, address)) == ("Ann", clerk_id, True)


async def test_who_moves_to_an_address_in_the_file_and_the_import_do_not_wait_in_a_circle(
    corner: Corner,
) -> None:
    address, id = await _settled(corner)
    moved, stays, joins = fresh_address(), _fresh_id(), _fresh_id()
    batch = [_candidate(moved, clerk_id=joins), _candidate(address, clerk_id=stays)]
    async with held(corner, id) as lock:
        settling = asyncio.create_task(_outcomes(corner, *batch))
        await lock.waiting(1)
        # An import that made the new address before it waited for the account would hold this up.
        await lock.execute("SET LOCAL lock_timeout = '500ms'")
        await lock.execute("UPDATE accounts SET email = $2 WHERE id = $1", id, moved)
    assert await settling == ["linked", "created"]
    assert people_of_one(await corner.fetch(WHO, moved)) == ("Settled", joins, False)


async def test_a_commit_whose_answer_was_lost_is_still_counted_as_made(corner: Corner) -> None:
    alone = _candidate(fresh_address())
    linked = _candidate(fresh_address(), clerk_id=_fresh_id())
    for _ in range(2):
        assert await _outcomes(corner, alone, linked) == ["created", "created"]
    again = _candidate(linked.email, clerk_id=linked.clerk_id or "")
    assert await _outcomes(corner, again) == ["already_here"]


WHO = """
    SELECT accounts.name, clerk_users.id, made_account FROM accounts
    LEFT JOIN clerk_users ON account_id = accounts.id WHERE accounts.email = $1
"""


def people_of_one(rows: list[asyncpg.Record]) -> tuple[object, ...]:
    (row,) = rows
    return tuple(row)


async def _somebody_waits(corner: Corner) -> None:
    for _ in range(400):
        if await corner.fetch(
            "SELECT FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ):
            return
    raise AssertionError("nobody waits")
