"""What users, sessions and logins take on disk, and where that ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from asyncpg import Record

from tests.bench.bench import Bench
from tests.bench.scale.errands import changes
from tests.bench.scale.town import Caller, Town
from tests.report import Figure, Line, Plot, Section

STORED = """
    SELECT relname, reltuples::bigint AS rows,
        pg_table_size(oid) / reltuples AS own, pg_indexes_size(oid) / reltuples AS indexes
    FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND reltuples >= 1000
    ORDER BY relname
"""
WRITTEN = """
    SELECT (SELECT count(*) FROM outbox WHERE id > $1) AS events,
        (SELECT coalesce(sum(pg_column_size(outbox)), 0) FROM outbox WHERE id > $1) AS event_bytes,
        (SELECT count(*) FROM audit WHERE id > $2) AS entries,
        (SELECT coalesce(sum(pg_column_size(audit)), 0) FROM audit WHERE id > $2) AS entry_bytes
"""
NEWEST = """
    SELECT (SELECT coalesce(max(id), 0) FROM outbox), (SELECT coalesce(max(id), 0) FROM audit)
"""
ASKED = 20
DAY = 86_400
# A session may live for SESSION_DAYS, and is remembered for 30 days after; AUDIT_DAYS.
KEPT_DAYS = {"sessions": 60, "outbox": 7, "audit": 180}
SHOWN_DAYS = 240


def weigh(section: Section, town: Town) -> None:
    """Bytes on disk as the tables are now, fresh from their filling."""
    tables = {row["relname"]: row for row in town.corner.rows(STORED)}
    bytes_of = {name: row["own"] + row["indexes"] for name, row in tables.items()}
    names = tables["claimed_usernames"]["rows"] / tables["accounts"]["rows"]
    user = bytes_of["accounts"] + names * bytes_of["claimed_usernames"]
    section.figure(Figure("a user on disk, a third of them with usernames", user, "bytes"))
    section.figure(Figure("a session on disk", bytes_of["sessions"], "bytes"))
    login = sum(bytes_of[name] for name in KEPT_DAYS)
    section.figure(Figure("a login on disk: session, event, audit entry", login, "bytes"))
    rows = [_shown(row) for row in tables.values()]
    columns = ("table", "rows", "bytes a row", "its indexes", "together")
    section.table("Size on disk, with what Postgres adds to each row", columns, rows)
    _foresee(section, bytes_of)


def _shown(row: Record) -> tuple[str, ...]:
    own, indexes = row["own"], row["indexes"]
    figures = (f"{each:.0f}" for each in (own, indexes, own + indexes))
    return (row["relname"], f"{row['rows']:,}", *figures)


def _foresee(section: Section, bytes_of: Mapping[str, float]) -> None:
    """How the tables grow if somebody logs in every second, and where they stop."""
    ends = {name: days * DAY * bytes_of[name] / 2**30 for name, days in KEPT_DAYS.items()}
    for name, gib in ends.items():
        what = f"`{name}` at one login a second stops growing after {KEPT_DAYS[name]} days at"
        section.figure(Figure(what, gib, "GiB"))
    lines = [
        Line(name, [(day, min(1, day / KEPT_DAYS[name]) * gib) for day in range(0, SHOWN_DAYS, 5)])
        for name, gib in ends.items()
    ]
    section.plot(Plot("Growth at one login a second", "days", "GiB", lines))
    section.tell(
        "For good remain, by design, one row for each account (`accounts`), one for each username"
        " ever held (`claimed_usernames`: none is given to anybody else) and one for each user of"
        " Clerk ever heard of (`clerk_users`: a late message must not bring one back). Everything"
        " else is removed by the worker every hour: sessions 30 days after their end, events 7 days"
        " after Kafka took them, audit entries after AUDIT_DAYS (180), the ids of deleted accounts"
        " after 8 days, those of other services' events after 30."
    )


def follow_writes(bench: Bench, section: Section, caller: Caller) -> None:
    """What one request of each kind adds to the outbox and to the audit."""
    rows = []
    for errand in changes(bench.generator):
        requests = errand.requests(caller, ASKED)
        newest = caller.town.corner.rows(NEWEST)[0]
        answers = bench.generator.all(caller.service.url, requests, connections=4)
        statuses = Counter(answer.status for answer in answers)
        assert all(200 <= status < 300 for status in statuses), f"{errand.name}: {statuses}"
        (written,) = caller.town.corner.rows(WRITTEN, *newest)
        rows.append((errand.name, *(f"{float(each) / ASKED:.3g}" for each in written)))
    columns = ("operation", "events", "bytes of them", "audit entries", "bytes of them")
    section.table("Rows that a request writes", columns, rows)
