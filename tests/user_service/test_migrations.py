"""Migrations: applied once by whoever comes first, and never changed afterwards."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator

import asyncpg
import httpx
import pytest

from tests import forked
from tests.corner import Corner
from tests.service_process import ServiceProcess


async def _run(url: str, statement: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()


@pytest.fixture
def empty(corner: Corner) -> Iterator[dict[str, str]]:
    """The variables of an installation whose database and topics are not there yet."""
    with corner.beside() as own:
        yield own.variables


def _migrate(variables: dict[str, str]) -> tuple[int, str]:
    """How it ended: its code, its output and its errors."""
    done = forked.ran("user_service", "migrate", variables=variables)
    return done.returncode, done.stdout + done.stderr


async def _all_at_once(variables: dict[str, str], many: int) -> list[tuple[int, str]]:
    """Hold all of them at their first statement, let go, and return how each ended."""
    holder = await asyncpg.connect(variables["DATABASE_URL"])
    transaction = holder.transaction()
    await transaction.start()
    await holder.execute("CREATE TABLE applied_migrations (number integer)")
    migrating = [asyncio.create_task(asyncio.to_thread(_migrate, variables)) for _ in range(many)]
    waiting = """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'
    """
    async with asyncio.timeout(30):
        while await _count(variables["DATABASE_URL"], waiting) < many:  # noqa: ASYNC110 - other processes wait
            await asyncio.sleep(0.05)
    await transaction.rollback()
    await holder.close()
    return await asyncio.gather(*migrating)


async def _count(url: str, query: str) -> int:
    count: int = (await _run(url, query))[0][0]
    return count


def test_several_instances_may_migrate_at_once(empty: dict[str, str]) -> None:
    prefixed = empty | {"KAFKA_TOPIC_PREFIX": f"{uuid.uuid4().hex}-"}
    ended = asyncio.run(_all_at_once(prefixed, 4))
    assert [code for code, _ in ended] == [0] * 4, ended
    together = "".join(output for _, output in ended)
    applied = asyncio.run(
        _run(empty["DATABASE_URL"], "SELECT name FROM applied_migrations ORDER BY number")
    )
    assert applied
    for (name,) in applied:
        assert together.count(f"applied {name}\n") == 1
    assert together.count("made signing key") == 1
    keys = asyncio.run(_run(empty["DATABASE_URL"], "SELECT FROM signing_keys"))
    assert len(keys) == 1
    code, output = _migrate(prefixed)
    assert code == 0
    assert "applied" not in output
    assert "made" not in output
    assert "created" not in output


def test_a_migration_that_was_changed_after_it_had_been_applied_is_refused(
    empty: dict[str, str],
) -> None:
    assert _migrate(empty)[0] == 0
    changed = "UPDATE applied_migrations SET checksum = 'another' WHERE number = 1 RETURNING name"
    ((name,),) = asyncio.run(_run(empty["DATABASE_URL"], changed))
    code, output = _migrate(empty)
    assert code == 1
    assert f"{name} was changed" in output
    assert "Traceback" not in output


def test_a_service_without_migrations_is_not_ready_and_becomes_so(empty: dict[str, str]) -> None:
    with ServiceProcess.started(empty, ready="/health/live") as service:
        answer = httpx.get(f"{service.url}/health/ready")
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        assert int(answer.headers["retry-after"]) >= 1
        assert httpx.get(f"{service.url}/health").json()["parts"]["migrations"] == "missing"
        body = {"email": "ann@example.org", "password": "x"}
        login = httpx.post(f"{service.url}/api/auth/login", json=body)
        assert login.status_code == 503
        assert _migrate(empty)[0] == 0
        service._wait("/health/ready")


def test_a_service_that_runs_ahead_of_a_migration_refuses_in_order(empty: dict[str, str]) -> None:
    assert _migrate(empty)[0] == 0

    later = "ALTER TABLE accounts RENAME COLUMN password_chosen TO later"
    asyncio.run(_run(empty["DATABASE_URL"], later))
    with ServiceProcess.started(empty, ready="/health/live") as service:
        body = {"email": "ann@example.org", "password": "x"}
        login = httpx.post(f"{service.url}/api/auth/login", json=body)
        assert (login.status_code, login.json()["code"]) == (503, "unavailable")


def test_migrating_where_nothing_answers_says_so_in_a_sentence(empty: dict[str, str]) -> None:
    nowhere = empty | {"DATABASE_URL": "postgresql://postgres@127.0.0.1:1/nowhere"}
    code, output = _migrate(nowhere)
    assert code == 1
    assert "Error" in output
    assert "Traceback" not in output


def test_a_new_database_holds_no_account(empty: dict[str, str]) -> None:
    assert _migrate(empty)[0] == 0
    assert asyncio.run(_run(empty["DATABASE_URL"], "SELECT FROM accounts")) == []
