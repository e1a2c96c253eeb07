"""Administrators find accounts by their beginnings and page through them by an index."""

from __future__ import annotations

import base64
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import outcome
from tests.service_process import ServiceProcess
from tests.user_service.admins import AUDIT, USERS, Account, account, admin
from user_service.audit import audit_store
from user_service.identity import directory_store
from user_service.identity.directory_store import Place, Wanted

pytestmark = pytest.mark.anyio

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
CROWD = 50_000
IMPORTED = 2_500


async def search(client: httpx.AsyncClient, boss: Account, **query: Any) -> dict[str, Any]:
    answer = await client.get(USERS, params=query, headers=boss.headers)
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def found(client: httpx.AsyncClient, boss: Account, **query: Any) -> list[str]:
    return [user["id"] for user in (await search(client, boss, **query))["users"]]


async def crowd(corner: Corner, *people: tuple[str, str | None], **columns: Any) -> list[str]:
    """Accounts by address and username, written directly, each a second younger than the last."""
    values = {"status": "active", "role": "user", "created_at": LONG_AGO} | columns
    rows = await corner.fetch(
        """
        INSERT INTO accounts (id, email, username, name, version, status, role, created_at)
        SELECT gen_random_uuid(), email, username, 'Crowd', 1, $3, $4,
            $5::timestamptz + number * interval '1s'
        FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS person (email, username, number)
        RETURNING id
        """,
        [address for address, _ in people],
        [username for _, username in people],
        *(values[name] for name in ("status", "role", "created_at")),
    )
    return [str(row["id"]) for row in rows]


async def test_accounts_are_found_by_the_beginning_of_address_or_username_and_by_id(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    boss = await admin(service, mailroom, corner)
    mark = secrets.token_hex(5)
    by_address, by_username, neither = await crowd(
        corner,
        (f"{mark}one@example.org", f"x{mark}"),
        (f"y{mark}@example.org", f"{mark}two"),
        (f"z{mark}@example.org", f"z{mark}"),
    )
    async with service.client() as client:
        assert await found(client, boss, search=mark) == [by_username, by_address]
        assert await found(client, boss, search=f" {mark} ") == [by_username, by_address]
        assert await found(client, boss, search=f"{mark.upper()}ONE@EXAMPLE.ORG") == [by_address]
        assert await found(client, boss, search=f"{mark}two") == [by_username]
        assert await found(client, boss, search=neither) == [neither]
        assert await found(client, boss, search=neither[:-1]) == []
        assert await found(client, boss, search=mark[1:]) == []
        (listed,) = (await search(client, boss, search=by_address))["users"]
    assert listed.keys() == {
        "id", "name", "email", "username", "created_at", "status", "role", "has_password",
    }  # fmt: skip
    assert (listed["status"], listed["role"], listed["has_password"]) == ("active", "user", False)


@pytest.mark.parametrize("text", ["%", "_", "\\", "'", "%25", "*", "?", "' or '1'='1", "e%"])
async def test_wildcards_and_quotes_stand_for_themselves(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner, text: str
) -> None:
    boss = await admin(service, mailroom, corner)
    meant, other = await crowd(
        corner,
        (f"{text}{secrets.token_hex(5)}@example.org", None),
        (f"ex{secrets.token_hex(5)}@example.org", f"ex-{secrets.token_hex(5)}"),
    )
    async with service.client() as client:
        ids = await found(client, boss, search=text)
    assert meant in ids
    assert other not in ids


async def test_filters_narrow_the_search(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    boss = await admin(service, mailroom, corner)
    mark = secrets.token_hex(5)
    first = datetime(2002, 2, 2, tzinfo=UTC)
    (early,) = await crowd(corner, (f"{mark}a@example.org", None), created_at=first)
    (late,) = await crowd(
        corner, (f"{mark}b@example.org", None), created_at=first + timedelta(days=2), role="admin"
    )
    (off,) = await crowd(
        corner,
        (f"{mark}c@example.org", None),
        created_at=first + timedelta(days=3),
        status="disabled",
    )
    cut = (first + timedelta(days=1)).isoformat()
    elsewhere = (first + timedelta(days=1)).astimezone().isoformat()
    async with service.client() as client:
        assert await found(client, boss, search=mark) == [off, late, early]
        assert await found(client, boss, search=mark, status="disabled") == [off]
        assert await found(client, boss, search=mark, status="active") == [late, early]
        assert await found(client, boss, search=mark, role="admin") == [late]
        assert await found(client, boss, search=mark, created_after=cut) == [off, late]
        assert await found(client, boss, search=mark, created_before=elsewhere) == [early]
        assert await found(client, boss, status="disabled", role="admin", search=mark) == []


async def test_pages_show_everybody_once_though_many_joined_in_the_same_instant(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    boss = await admin(service, mailroom, corner)
    mark = secrets.token_hex(5)
    people = [(f"{mark}{number}@example.org", None) for number in range(23)]
    ids = await crowd(corner, *people)
    await corner.fetch(
        "UPDATE accounts SET created_at = $2 WHERE id = ANY($1::uuid[])", ids[:15], LONG_AGO
    )
    seen: list[str] = []
    pages = 0
    after: dict[str, str] = {}
    async with service.client() as client:
        while True:
            page = await search(client, boss, search=mark, limit=5, **after)
            seen += [user["id"] for user in page["users"]]
            pages += 1
            if page["next"] is None:
                break
            after = {"after": page["next"]}
            if pages == 1:  # who joins meanwhile comes before all of them
                await crowd(corner, (f"{mark}new@example.org", None), created_at=datetime.now(UTC))
    assert pages == 5
    assert len(seen) == 23
    assert set(seen) == set(ids)
    assert seen[:8] == ids[:14:-1]


MALFORMED = {
    "limit": ["0", "101", "-1", "ten", ""],
    "status": ["asleep", "", "ACTIVE"],
    "role": ["root", "operator"],
    "created_after": ["yesterday", "2026-01-01", "2026-01-01T00:00", "0001-01-01T00:00:00+23:00"],
    "created_before": ["2026-13-01T00:00:00Z", "9999-12-31T23:59:59-23:00", "infinity"],
    "search": ["", "a\0", "\0", "bücher", "x" * 255, "a\nb", "\u212aate"],
    "after": [
        "", "x", "!" * 32, "A" * 31, "A" * 33, "A" * 36, "f" + "_" * 31, "+" * 32,
        "null", "0", "' OR 1=1 --", "ä" * 32, "A" * 1900,
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field in MALFORMED for value in MALFORMED[field]]
)
async def test_a_malformed_question_is_refused_by_the_name_of_its_field(
    service: ServiceProcess, boss: Account, field: str, value: str
) -> None:
    async with service.client() as client:
        answer = await client.get(USERS, params={field: value}, headers=boss.headers)
        assert outcome(answer) == (400, "invalid_request"), answer.text
        assert [error["field"] for error in answer.json()["errors"]] == [field]
        if field in ("after", "limit"):
            audit = await client.get(AUDIT, params={field: value}, headers=boss.headers)
            assert outcome(audit) == (400, "invalid_request"), audit.text
            assert [error["field"] for error in audit.json()["errors"]] == [field]


async def test_a_cursor_that_was_changed_leads_to_another_page_or_to_none(
    service: ServiceProcess, boss: Account, mailroom: Mailroom
) -> None:
    await account(service, mailroom)
    async with service.client() as client:
        cursor = (await search(client, boss, limit=1))["next"]
        raw = base64.urlsafe_b64decode(cursor)
        for bit in range(0, len(raw) * 8, 3):
            changed = bytearray(raw)
            changed[bit // 8] ^= 1 << bit % 8
            text = base64.urlsafe_b64encode(changed).decode()
            answer = await client.get(USERS, params={"after": text}, headers=boss.headers)
            assert answer.status_code in (200, 400), answer.text
        # The audit's cursors are others.
        answer = await client.get(AUDIT, params={"after": cursor}, headers=boss.headers)
        assert answer.status_code == 400


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def boss(service: ServiceProcess, mailroom: Mailroom, corner: Corner) -> Account:
    return await admin(service, mailroom, corner)


PLACE = Place(datetime(2020, 1, 1, tzinfo=UTC), UUID(int=0))
EARLY = datetime(2010, 1, 1, tzinfo=UTC)
QUESTIONS = {
    "everybody": (Wanted(), None),
    "everybody, a later page": (Wanted(), PLACE),
    "a narrow beginning": (Wanted(beginning="crowd1234"), None),
    "a broad beginning": (Wanted(beginning="crowd"), PLACE),
    "a beginning that only the oldest have": (Wanted(beginning="imported"), None),
    "a whole id": (Wanted(beginning=str(UUID(int=7))), None),
    "the disabled": (Wanted(status="disabled"), None),
    "the administrators": (Wanted(role="admin"), PLACE),
    "an age": (Wanted(created_after=EARLY, created_before=PLACE.created_at), None),
    "all at once": (
        # So few that no sample of ANALYZE makes it look cheaper to read the whole age as well.
        Wanted(
            beginning="crowd1234",
            status="active",
            role="user",
            created_after=EARLY,
            created_before=PLACE.created_at,
        ),
        PLACE,
    ),
}


@pytest.fixture(scope="module")
async def many(corner: Corner, anyio_backend: str) -> Any:
    """A connection that sees a crowd that nobody else does, in accounts and in the audit.

    Its oldest came in one import, by the thousands.
    """
    connection = await asyncpg.connect(corner.database_url)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(
        f"""
        INSERT INTO accounts (id, email, username, name, version, status, role, created_at)
        SELECT gen_random_uuid(), name || '@example.org', name, 'Crowd', 1,
            CASE WHEN n % 10000 = 0 THEN 'disabled' ELSE 'active' END,
            CASE WHEN n % 20000 = 0 THEN 'admin' ELSE 'user' END,
            timestamptz '2000-01-01' + n * interval '8 hours'
        FROM generate_series(1, {CROWD}) AS n,
            concat(CASE WHEN n <= {IMPORTED} THEN 'imported' ELSE 'crowd' END, n) AS name
        """
    )
    await connection.execute(
        f"""
        INSERT INTO audit (account_id, actor, action, outcome)
        SELECT CASE WHEN n % 1000 = 0 THEN '{UUID(int=1)}'::uuid ELSE gen_random_uuid() END,
            'self', 'logged_in', 'done'
        FROM generate_series(1, {CROWD}) AS n
        """
    )
    await connection.execute("ANALYZE accounts, audit")
    yield connection
    await transaction.rollback()
    await connection.close()


@pytest.mark.parametrize("question", QUESTIONS)
async def test_every_page_of_users_comes_from_an_index(
    many: asyncpg.Connection[asyncpg.Record], question: str
) -> None:
    wanted, after = QUESTIONS[question]
    arguments = directory_store.narrowed(wanted, after, 50)
    if wanted.beginning is None:
        await expect_index(many, directory_store.PAGE, *arguments)
    else:
        arguments += directory_store.beginning(wanted)
        among_newest = wanted.beginning == "crowd"
        statement = directory_store.AMONG_NEWEST if among_newest else directory_store.AMONG_ALL
        await expect_index(many, statement, *arguments)


@pytest.mark.parametrize("after", [None, PLACE])
@pytest.mark.parametrize("text", ["crowd", "crowd123", "imported", "imported24", "i", ""])
async def test_the_newest_who_begin_so_are_found_be_they_few_or_many_or_old(
    many: Any, text: str, after: Place | None
) -> None:
    beginning = text or str(await many.fetchval("SELECT id FROM accounts WHERE name = 'Crowd'"))
    found = await directory_store.page(many, Wanted(beginning=beginning), after, 50)
    rows = await many.fetch(
        """
        SELECT id FROM accounts
        WHERE ($1 = id::text OR starts_with(email, $1) OR starts_with(username, $1))
          AND created_at < coalesce($2::timestamptz, 'infinity')
        ORDER BY created_at DESC, id DESC LIMIT 50
        """,
        beginning,
        after and after.created_at,
    )
    assert rows or beginning != text
    assert [member.account.id for member in found] == [row["id"] for row in rows]


@pytest.mark.parametrize("account_id", [None, UUID(int=1), uuid4()])
@pytest.mark.parametrize("before", [None, 2**40])
async def test_every_page_of_the_audit_comes_from_an_index(
    many: asyncpg.Connection[asyncpg.Record], account_id: UUID | None, before: int | None
) -> None:
    await expect_index(many, audit_store.NEWEST, account_id, before, 50)


async def expect_index(
    connection: asyncpg.Connection[asyncpg.Record], statement: str, *arguments: object
) -> None:
    """It reads at most a few pages' worth of rows, and none by walking a whole table."""
    explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"
    plan = json.loads(await connection.fetchval(explain, *arguments))[0]["Plan"]
    for node in nodes(plan):
        assert node["Node Type"] != "Seq Scan", plan
        read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        assert read * node["Actual Loops"] <= CROWD / 10, plan


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for part in plan.get("Plans", []) for node in nodes(part))]
