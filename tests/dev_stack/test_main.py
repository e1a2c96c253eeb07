"""The image of the services has no Postgres: what is not run must not be imported."""

from __future__ import annotations

import subprocess
import sys

from dev_stack.__main__ import COMMANDS
from dev_stack.part import REPOSITORY

LISTS_MODULES = (
    "import sys; from dev_stack.__main__ import main; main(sys.argv[1:], standalone_mode=False);"
    "print(*sorted(name for name in sys.modules if name.startswith('dev_stack.')))"
)


def printed_by(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", LISTS_MODULES, *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_help_lists_the_commands_and_imports_none() -> None:
    help_text, _, modules = printed_by("--help").rstrip().rpartition("\n")
    assert all(name in help_text for name in COMMANDS)
    assert modules == "dev_stack.__main__"


def test_a_command_has_its_own_help() -> None:
    printed = printed_by("demo", "--help")
    assert "--mailbox-url" in printed
    assert "dev_stack.run" not in printed
