"""Which statements read a whole table that grows with the number of users."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
from msgspec import Struct

from tests.bench.scale import plans
from tests.bench.scale.crowd import IMPORTED
from tests.bench.scale.plans import Connection
from tests.bench.scale.statements import Statement, inventory
from tests.corner import Corner
from tests.report import Figure, Section, Target
from user_service.identity import directory_store
from user_service.identity.directory_store import Place, Wanted

# What may read all of it, and why.
ALLOWED = {
    "outbox_store.kept": "`events replay` asks once how many events there are, of 7 days at most",
}
# Where arguments may be left out Postgres plans anew for those that are given: those are tried.
LATE = Place(datetime(2100, 1, 1, tzinfo=UTC), UUID(int=0))
PAGES = {
    "everybody": (Wanted(), None),
    "everybody, a later page": (Wanted(), LATE),
    "the disabled": (Wanted(status="disabled"), None),
    "administrators": (Wanted(role="admin"), None),
    "an age": (Wanted(created_before=LATE.created_at), None),
}
SEARCHES = {
    "an address": Wanted(beginning=f"{IMPORTED}77@example.org"),
    "what only the oldest 1 % have": Wanted(beginning=IMPORTED),
    # So common that all of them are too many, and so rarely disabled that the newest are too few.
    "the disabled of a common beginning": Wanted(beginning="a", status="disabled"),
    "an id": Wanted(beginning=str(UUID(int=1))),
}
TRIED: dict[str, dict[str, tuple[object, ...]]] = {
    "directory_store.page": {
        what: directory_store.narrowed(*page, 50) for what, page in PAGES.items()
    },
    "directory_store._beginning": {
        what: (*directory_store.narrowed(wanted, None, 50), *directory_store.beginning(wanted))
        for what, wanted in SEARCHES.items()
    },
    "audit_store.newest": {"everybody": (None, None, 50), "an account": (UUID(int=1), None, 50)},
}
# A search may read the newest accounts, or else those of one import: the oldest 1 %, and some.
SEARCHED_SHARE = 0.02


class Offender(Struct, frozen=True):
    statement: Statement
    walks: list[str]

    @property
    def why(self) -> str:
        return ALLOWED.get(self.statement.place, "")


def look(section: Section, corner: Corner) -> None:
    section.tell(
        "Postgres was asked how it would answer each statement that stands in the stores' sources,"
        " whatever its arguments (its generic plan); one whose arguments may be left out was run"
        " with those that people give, and planned for them. A table is read whole when it, or an"
        f" index of it, is read from end to end; of what was run, when more than {plans.FEW:,} of"
        f" its rows are read, or by a search for a beginning more than {directory_store.NEWEST:,}"
        f" and {SEARCHED_SHARE:.0%} of them. What has no more than {plans.FEW:,} is not counted."
    )
    listed, offenders = asyncio.run(_looked_at(corner))
    section.figure(Figure("statements, each in each of its spellings", listed, ""))
    unexplained = sum(not offender.why for offender in offenders)
    section.figure(Figure("statements that read a whole table", unexplained, "", Target(at_most=0)))
    rows = [(o.statement.place, ", ".join(o.walks), o.why or "**no**") for o in offenders]
    section.table("Statements that read a whole table", ("statement", "reads", "allowed"), rows)


async def _looked_at(corner: Corner) -> tuple[int, list[Offender]]:
    connection = await asyncpg.connect(corner.database_url)
    try:
        statements = inventory()
        found = [await _judged(connection, statement) for statement in statements]
        return len(statements), [each for each in found if each.walks]
    finally:
        await connection.close()


async def _judged(connection: Connection, statement: Statement) -> Offender:
    sizes = await plans.sizes(connection)
    tried = TRIED.get(statement.place, {})
    if not tried:
        plan = await plans.generic_plan(connection, statement)
        return Offender(statement, [walk.shown for walk in plans.walks(plan, sizes)])
    walks = []
    for what, arguments in tried.items():
        read = await plans.most_read(connection, statement, *arguments)
        if read.rows > _bound(statement, sizes[read.table]):
            walks.append(f"{read.table}, {read.rows:,} rows for {what}")
    return Offender(statement, walks)


def _bound(statement: Statement, rows: int) -> float:
    """How many of a table's rows it may read."""
    if statement.place != "directory_store._beginning":
        return plans.FEW
    return max(directory_store.NEWEST, SEARCHED_SHARE * rows)
