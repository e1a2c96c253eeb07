"""What the list of statements and the reading of plans say, where they could be wrong unseen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from types import ModuleType

import asyncpg
import pytest

from tests.bench.scale import plans, sent, statements
from tests.bench.scale.plans import Connection
from tests.bench.scale.statements import Statement
from tests.corner import Corner
from user_service.identity import account_store

pytestmark = pytest.mark.anyio

ROWS = 10_000
OVERDUE = {
    "audit": """
        INSERT INTO audit (at, actor, action, outcome)
        SELECT now() - interval '1 year', 'system', 'logged_in', 'done'
        FROM generate_series(1, $1::int)
    """,
    "outbox": """
        INSERT INTO outbox (topic, key, payload, acknowledged_at)
        SELECT 'user_deleted', 'nobody', '{}', now() - interval '1 year'
        FROM generate_series(1, $1::int)
    """,
}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def crowded(corner: Corner, anyio_backend: str) -> AsyncIterator[Connection]:
    """Sees tables of which every row is overdue, which nobody else sees."""
    connection = await asyncpg.connect(corner.database_url)
    transaction = connection.transaction()
    await transaction.start()
    for insert in OVERDUE.values():
        await connection.execute(insert, ROWS)
    await connection.execute("ANALYZE audit, outbox")
    yield connection
    await transaction.rollback()
    await connection.close()


def test_a_statement_of_several_spellings_is_listed_in_each() -> None:
    listed = [s.sql for s in statements.sent_by(account_store) if s.place.endswith(".credentials")]
    assert [sql.rsplit(" WHERE ")[1] for sql in listed] == [
        "email = $1",
        "username = $1",
        "id = $1",
    ]


def test_a_statement_whose_text_cannot_be_told_is_not_passed_over() -> None:
    store = ModuleType("odd_store")
    source = "async def odd(tx, sql):\n    await tx.fetch(sql)\n"
    with pytest.raises(NameError):
        list(statements.sent_by(store, source))


async def test_a_walk_through_a_table_is_told_from_a_look_into_its_index(
    crowded: Connection,
) -> None:
    rows = await plans.sizes(crowded)

    async def walked(sql: str) -> list[str]:
        plan = await plans.generic_plan(crowded, Statement("", sql))
        return [walk.what for walk in plans.walks(plan, rows)]

    assert await walked("SELECT FROM audit WHERE detail = $1") == ["audit"]
    assert await walked("SELECT id FROM audit WHERE id % 2 = $1 ORDER BY id LIMIT 1") == [
        "audit_pkey"
    ]
    assert await walked("SELECT FROM audit WHERE id = $1") == []
    assert await walked("SELECT FROM nobody WHERE version = $1") == []


async def test_rows_that_were_looked_at_in_vain_are_counted_for_their_table(
    crowded: Connection,
) -> None:
    wanted = Statement("", "SELECT FROM audit, clients WHERE audit.detail = $1")
    rows = await crowded.fetchval("SELECT count(*) FROM audit")
    assert await plans.most_read(crowded, wanted, "no such") == plans.Read("audit", rows)


@pytest.mark.parametrize("table", OVERDUE)
async def test_a_batch_of_a_sweep_reads_no_more_than_it_removes(
    crowded: Connection, table: str
) -> None:
    (sweep,) = (s for s in statements.inventory() if s.place == f"{table}_store.sweep")
    rows = await plans.sizes(crowded)
    arguments = (5000, timedelta(days=180))[: plans.parameters(sweep.sql)]
    for plan in (
        await plans.plan_for(crowded, sweep, *arguments),
        await plans.generic_plan(crowded, sweep),
    ):
        assert list(plans.walks(plan, rows)) == []


LOG = """\
2026-11-21 11:00:00.000 UTC [7] LOG:  execute __asyncpg_stmt_1__:\x20
\t        SELECT id -- every one
\t        FROM clients
2026-11-21 11:00:00.001 UTC [7] DETAIL:  Parameters: $1 = 'a: b'
2026-11-21 11:00:00.002 UTC [7] LOG:  statement: BEGIN;
2026-11-21 11:00:00.003 UTC [7] LOG:  statement: LOCK TABLE signing_keys
2026-11-21 11:00:00.004 UTC [8] LOG:  checkpoint starting: time
"""


def test_statements_are_read_from_a_log_whole_and_without_what_no_store_asks() -> None:
    assert sent.statements_in(LOG) == {"SELECT id FROM clients", "LOCK TABLE signing_keys"}
