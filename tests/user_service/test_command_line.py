"""`python -m user_service …` begins and ends as what a shell starts.

What each command does is told by tests beside this one, whose processes are forked.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
import rich_click as click

from tests.corner import Corner
from user_service.cli import COMMANDS
from user_service.cli.command import run
from user_service.errors import Overtaken

ANYTIME = [
    "admin users list --limit 1 --json",
    "clients list --json",
    "events replay --dry-run",
    "keys list --json",
    "migrate",
]


def python(corner: Corner, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env=corner.variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("words", ANYTIME)
def test_a_command_answers_on_standard_output_and_ends_with_0(corner: Corner, words: str) -> None:
    done = python(corner, "-m", "user_service", *words.split())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_every_command_is_listed_and_no_other_is_known(corner: Corner) -> None:
    listed = python(corner, "-m", "user_service", "--help")
    assert listed.returncode == 0
    assert all(f" {name} " in listed.stdout for name in COMMANDS)
    unknown = python(corner, "-m", "user_service", "nonsense")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "No such command 'nonsense'" in unknown.stderr


def test_the_process_that_minds_the_workers_is_not_burdened_with_the_service(
    corner: Corner,
) -> None:
    told = "import sys, user_service.cli.serving; print(*sys.modules)"
    loaded = python(corner, "-c", told).stdout.split()
    assert "granian" in loaded
    assert not {"litestar", "aiohttp", "user_service.assembly"} & set(loaded)


def test_a_lost_race_is_not_told_as_an_outage() -> None:
    async def lose() -> None:
        raise Overtaken("Others were faster.")

    with pytest.raises(click.ClickException, match=r"^Others were faster\.$"):
        run(lose())
