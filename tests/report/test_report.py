"""A report says what missed its target wherever it is read."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from tests.process_usage import busy_seconds
from tests.report import Bars, Figure, Line, Plot, Report, Size, Target
from tests.report.neighbours import ALL, own_seconds


def test_a_missed_target_is_told_on_the_screen_in_the_page_and_in_the_data(tmp_path: Path) -> None:
    screen = io.StringIO()
    report = Report("A proof", Size.QUICK, Console(file=screen, width=100))
    section = report.section("Speed")
    section.figure(Figure("fast enough", 12, "ms", Target(at_most=20), why="it would wait"))
    section.figure(Figure("too slow", 40, "ms", Target(at_most=20), why="it waits for the disk"))
    lines = [Line("p50", [(1, 2), (3, 4)]), Line("p99", [(1, 0), (3, 400)])]
    section.plot(Plot("Speed by load", "load, 1/s", "ms", lines, logarithmic=True))

    section.plot(Bars("Slowest answer", "s", ["a row", "another"], {"answer": [0.1, 2.0]}))

    page = report.write(tmp_path).read_text()

    assert [figure.name for figure in report.missed] == ["too slow"]
    assert "| too slow | 40 ms | ≤ 20 | **missed** it waits for the disk |" in page
    assert "| fast enough | 12 ms | ≤ 20 | yes |" in page
    assert "missed" in screen.getvalue()
    assert "![Speed by load](speed-by-load.svg)" in page
    assert "![Slowest answer](slowest-answer.svg)" in page
    assert "href=" not in (tmp_path / "speed-by-load.svg").read_text()
    facts = msgspec.json.decode((tmp_path / "report.json").read_bytes())
    assert [each["value"] for each in facts["sections"][0]["figures"]] == [12, 40]


def test_what_fails_is_told_as_a_missed_target_and_costs_nothing_that_was_found_before(
    tmp_path: Path,
) -> None:
    screen = io.StringIO()
    report = Report("A proof", Size.QUICK, Console(file=screen, width=100))
    report.section("Speed").figure(Figure("fast enough", 12, "ms", Target(at_most=20)))
    report.save(tmp_path)
    report.failed("Mail", TimeoutError("the relay\n[never] ended"))
    page = report.save(tmp_path).read_text()

    assert [figure.name for figure in report.missed] == ["failures"]
    assert "| fast enough | 12 ms | ≤ 20 | yes |" in page
    assert "## Mail: not finished" in page
    assert "**missed** TimeoutError: the relay [never] ended" in page
    assert "[never] ended" in screen.getvalue()
    # Until what we started has ended, it would be taken for somebody else's.
    assert "meanwhile" not in page
    assert "meanwhile" in report.write(tmp_path).read_text()


def test_another_size_than_the_two_ends_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIZE", "huge")
    with pytest.raises(SystemExit, match="quick or full"):
        Size.wanted()


def test_what_a_program_of_ours_takes_is_in_both_accounts_that_tell_of_neighbours() -> None:
    subprocess.run([sys.executable, "-c", ""], check=True)  # which meets what had ended before
    busy, own = busy_seconds(ALL), own_seconds()
    spin = "import time\nwhile time.process_time() < 0.2: pass"
    subprocess.run([sys.executable, "-c", spin], check=True)
    assert 0.19 < own_seconds() - own < 1
    assert busy_seconds(ALL) - busy > 0.19
