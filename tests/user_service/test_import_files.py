"""A file is taken in to the last row, whatever is in it and whatever happens meanwhile."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.corner import Corner
from tests.people import fresh_address
from tests.user_service.import_files import ClerkFile
from tests.user_service.importing import (
    Done,
    bring,
    bring_alone,
    end,
    kill,
    people_of,
    start,
    traces_of,
)

# The whole size that the promise is about is 100000, with IMPORT_ROWS=100000: a minute more.
ROWS = int(os.environ.get("IMPORT_ROWS", "5000"))
OTHER_REASONS = {"malformed", "created", "linked", "already_here", "skipped"}


@pytest.fixture
def settled(corner: Corner) -> list[str]:
    """Addresses of accounts that were here before."""
    addresses = [f"s{fresh_address()}" for _ in range(5)]
    corner.rows(
        """
        INSERT INTO accounts (id, email, name, version)
        SELECT gen_random_uuid(), email, 'Settled', 1 FROM unnest($1::text[]) AS email
        """,
        addresses,
    )
    return addresses


def _require_counted(done: Done, ledger: Counter[str]) -> None:
    assert done.code == 0, done.err
    totals = done.totals
    assert totals["finished"]
    lost = Counter(totals["created_without"])
    found = Counter(
        {
            "created": totals["created"],
            "linked": totals["linked"],
            "completed": totals["completed"],
            "already_here": totals["already_here"],
            "skipped": sum(totals["skipped"].values()),
            "malformed": sum(totals["malformed"].values()),
            "digest": sum(many for reason, many in lost.items() if "digest" in reason),
            **{reason: many for reason, many in lost.items() if "digest" not in reason},
            **totals["skipped"],
        }
    )
    assert +found == +ledger
    outcomes = ("created", "linked", "completed", "already_here", "skipped", "malformed")
    assert totals["rows"] == sum(ledger[outcome] for outcome in outcomes)


def _require_state(corner: Corner, file: ClerkFile) -> None:
    """Exactly the ledger's people, with one event and one entry of each kind."""
    expected = {
        address: (person.clerk_id, person.made_account, person.username, person.has_password)
        for address, person in file.people.items()
    }
    found = people_of(corner, f"%{file.tag}-%@example.org")
    found |= {address: people_of(corner, address)[address] for address in file.settled}
    assert found == expected
    made = sum(person.made_account for person in file.people.values())
    late = file.counts["completed"]
    assert traces_of(corner, f"p{file.tag}-%") == [
        ("clerk_linked by operator", made, made),
        ("imported by operator", made, made),
        *([("password_imported by operator", late, late)] if late else []),
        ("user_registered", made, made),
    ]


def test_every_row_is_counted_once_and_memory_stays_flat(
    corner: Corner, settled: list[str], tmp_path: Path
) -> None:
    small = ClerkFile()
    for _ in range(500):
        small.usual()
    few = bring_alone(corner, "clerk", small.write(tmp_path / "small.csv"), "--json")
    _require_counted(few, small.counts)

    file = ClerkFile(settled=settled).fill(ROWS)
    path = file.write(tmp_path / "users.csv")
    rehearsed = bring_alone(corner, "clerk", path, "--json", "--dry-run")
    _require_counted(rehearsed, file.counts)
    assert not people_of(corner, f"%{file.tag}-%")

    report = tmp_path / "report.jsonl"
    done = bring_alone(corner, "clerk", path, "--json", "--report", report)
    _require_counted(done, file.counts)
    _require_state(corner, file)
    assert done.totals | {"dry_run": True} == rehearsed.totals
    assert max(done.peak, rehearsed.peak) - few.peak < 4, "MiB"

    again = bring(corner, "clerk", path, "--json").totals
    assert (again["created"], again["linked"]) == (0, 0)
    assert again["rows"] == done.totals["rows"]
    assert again["malformed"] == done.totals["malformed"]
    _require_state(corner, file)
    _require_reported(report, file)


def _require_reported(report: Path, file: ClerkFile) -> None:
    assert report.stat().st_mode & 0o077 == 0
    text = report.read_text()
    assert text.isascii()
    assert "$2a$" not in text
    lines = [json.loads(line) for line in text.splitlines()]
    outcomes = Counter(line["outcome"] for line in lines)
    for outcome in ("skipped", "malformed", "already_here"):
        assert outcomes[outcome] == file.counts[outcome]
    losses = sum(file.counts[loss] for loss in ("digest", "username taken", "name not acceptable"))
    assert outcomes["created"] == losses
    source = (report.parent / "users.csv").read_bytes().split(b"\n")
    for line in lines:
        assert line["reason"] or line["outcome"] == "already_here"
        if line["outcome"] == "skipped" and line["who"]:
            assert line["who"].encode() in source[line["line"] - 1]


def test_an_import_that_is_killed_again_and_again_ends_like_one_that_is_not(
    corner: Corner, tmp_path: Path
) -> None:
    file = ClerkFile().fill(2500)
    path = file.write(tmp_path / "users.csv", b"\n")
    for point in sorted(random.sample(range(1, len(file.people) - 900), 2)):
        process = start(corner, "clerk", path)
        _wait_for_people(corner, file, point)
        kill(process)
    cut_short = len(people_of(corner, f"%{file.tag}-%"))
    assert 0 < cut_short < len(file.people)
    done = bring(corner, "clerk", path, "--json")
    assert done.code == 0
    assert done.totals["created"] == file.counts["created"] - cut_short
    _require_state(corner, file)


def _wait_for_people(corner: Corner, file: ClerkFile, many: int) -> None:
    deadline = time.monotonic() + 30
    while len(people_of(corner, f"%{file.tag}-%")) < many:
        assert time.monotonic() < deadline


def test_ctrl_c_ends_it_after_the_batch_in_hand_and_says_how_to_go_on(
    corner: Corner, tmp_path: Path
) -> None:
    file = ClerkFile().fill(1200)
    path = file.write(tmp_path / "users.csv", b"\n")
    # It waits for more rows from a pipe: that must not keep it from ending.
    process = start(corner, "clerk", "-", "--json")
    assert process.stdin is not None
    process.stdin.write(path.read_bytes()[: path.stat().st_size // 2])
    process.stdin.flush()
    _wait_for_people(corner, file, 1)
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGINT)
    with process:
        process.wait(10)
        done = end(process)
    assert done.code == 130
    assert "The same command goes on where it was." in done.err
    assert not done.totals["finished"]
    assert done.totals["created"] == len(people_of(corner, f"%{file.tag}-%")) > 0

    rest = bring_alone(corner, "clerk", "-", "--json", typed=path.read_bytes())
    assert rest.totals["created"] == file.counts["created"] - done.totals["created"]
    _require_state(corner, file)


def test_two_imports_of_one_file_at_once_do_not_make_anybody_twice(
    corner: Corner, tmp_path: Path
) -> None:
    file = ClerkFile()
    for _ in range(1500):
        file.usual()
    there = file.write(tmp_path / "there.csv")
    file.rows.reverse()
    back = file.write(tmp_path / "back.csv")
    processes = [start(corner, "clerk", path, "--json") for path in (there, back)]
    ended = [end(process) for process in processes]
    assert [done.code for done in ended] == [0, 0]
    assert sum(done.totals["created"] for done in ended) == 1500
    assert all(done.totals["rows"] == 1500 for done in ended)
    _require_state(corner, file)
