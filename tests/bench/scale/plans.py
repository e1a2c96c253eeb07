"""How Postgres would answer a statement: which tables it would read from end to end."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import asyncpg
from msgspec import Struct

from tests.bench.scale.statements import Statement

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Node = dict[str, Any]

# As many rows as reading all of them takes no time, and as an index of few rows may have.
FEW = 1000
SIZES = """
    SELECT relname, greatest(reltuples, 0)::bigint AS rows FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')
"""
INDEX_SCANS = {"Index Scan", "Index Only Scan", "Bitmap Index Scan"}


class Walk(Struct, frozen=True):
    """All `rows` of `what`, a table or an index, as far as nobody stops it."""

    what: str
    rows: int

    @property
    def shown(self) -> str:
        return f"{self.what}, {self.rows:,} rows"


class Read(Struct, frozen=True):
    """So many `rows` of the `table` were looked at, whether or not they were wanted."""

    table: str
    rows: int


async def sizes(connection: Connection) -> dict[str, int]:
    """Rows of each table and each index, as ANALYZE has counted them last."""
    return {row["relname"]: row["rows"] for row in await connection.fetch(SIZES)}


async def generic_plan(connection: Connection, statement: Statement) -> Node:
    """The plan for whatever arguments; an empty one of what needs none, like LOCK."""
    if statement.sql.startswith("LOCK"):
        return {"Node Type": "None"}
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    await connection.execute(f"PREPARE asked AS {statement.sql}")
    nothing = ", ".join(["NULL"] * parameters(statement.sql))
    execute = f"EXECUTE asked({nothing})" if nothing else "EXECUTE asked"
    try:
        return plan_in(await connection.fetchval(f"EXPLAIN (FORMAT JSON) {execute}"))
    finally:
        await connection.execute("DEALLOCATE asked")
        await connection.execute("RESET plan_cache_mode")


async def plan_for(connection: Connection, statement: Statement, *arguments: object) -> Node:
    """The plan for these arguments."""
    explain = f"EXPLAIN (FORMAT JSON) {statement.sql}"
    return plan_in(await connection.fetchval(explain, *arguments))


async def most_read(connection: Connection, statement: Statement, *arguments: object) -> Read:
    """Of all tables the one of which it reads most, run with these arguments."""
    explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.sql}"
    plan = plan_in(await connection.fetchval(explain, *arguments))
    scans = [node for node in nodes(plan) if "Relation Name" in node]
    return max((_read(node) for node in scans), key=lambda read: read.rows)


def parameters(sql: str) -> int:
    return max(map(int, re.findall(r"\$(\d+)", sql)), default=0)


def plan_in(explained: str) -> Node:
    plan: Node = json.loads(explained)[0]["Plan"]
    return plan


def walks(plan: Node, sizes: Mapping[str, int]) -> Iterator[Walk]:
    """What the plan reads from end to end, unless that is little however many users there are."""
    for node in nodes(plan):
        kind = node["Node Type"]
        if kind == "Seq Scan":
            walked = node["Relation Name"]
        elif kind in INDEX_SCANS and "Index Cond" not in node:
            walked = node["Index Name"]
        else:
            continue
        if sizes.get(walked, 0) > FEW:
            yield Walk(walked, sizes[walked])


def nodes(plan: Node) -> Iterator[Node]:
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


def _read(node: Node) -> Read:
    rows: float = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return Read(node["Relation Name"], int(rows * node["Actual Loops"]))
