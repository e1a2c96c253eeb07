"""What services and worker really sent to Postgres, by its own log, against the list."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from pathlib import Path

from tests.bench.bench import Bench
from tests.bench.scale.errands import Errand, Verification, changes, errands
from tests.bench.scale.statements import inventory, normal
from tests.bench.scale.town import Caller
from tests.load import Generator
from tests.load.cpus import pinned
from tests.report import Figure, Section, Target
from tests.worker_process import WorkerProcess

ASKED = 3
# Far below what is sent: fewer mean that the log was not read, not that the list is right.
ENOUGH = Target(at_least=30)
# The log goes on over several lines, each of which begins with a tab.
LOGGED = re.compile(r"LOG:  (?:execute [^:]*|statement): (.*(?:\n\t.*)*)")
# Of asyncpg and of transactions, which no store asks for.
PLUMBING = re.compile(
    r"BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|ALTER SYSTEM|SELECT pg_reload_conf|"
    r"SELECT 1$|WITH RECURSIVE typeinfo|SELECT pg_catalog|.*set_config\(.jit."
)


def check(bench: Bench, section: Section, caller: Caller, log: Path) -> None:
    """Ask for everything a few times with every statement in the log, and let a worker work."""
    asked = {each.name: each.requests(caller, ASKED) for each in _everything(bench.generator)}
    begins = log.stat().st_size
    _log_statements(caller, "all")
    for name, requests in asked.items():
        answers = bench.generator.all(caller.service.url, requests, connections=1)
        assert all(200 <= answer.status < 300 for answer in answers), (name, answers)
    with pinned(bench.cpus.others), WorkerProcess.started(caller.town.corner.variables) as worker:
        worker.come_up()
        time.sleep(1)
    _log_statements(caller, "none")
    sent = statements_in(log.read_bytes()[begins:].decode())
    listed = {statement.sql for statement in inventory()}
    unknown = [(sql,) for sql in sorted(sent - listed)]
    section.figure(
        Figure("different statements that services and a worker sent", len(sent), "", ENOUGH)
    )
    section.figure(Figure("of them not on the list", len(unknown), "", Target(at_most=0)))
    if unknown:
        section.table("Not on the list", ("statement",), unknown)


def _everything(generator: Generator) -> Iterable[Errand | Verification]:
    return (*errands(generator), *changes(generator))


def statements_in(log: str) -> set[str]:
    found = {normal(text.replace("\n\t", "\n")) for text in LOGGED.findall(log)}
    return {sql for sql in found if not PLUMBING.match(sql)}


def _log_statements(caller: Caller, which: str) -> None:
    caller.town.corner.rows(f"ALTER SYSTEM SET log_statement = '{which}'")
    caller.town.corner.rows("SELECT pg_reload_conf()")
