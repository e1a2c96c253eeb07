"""Where data lies that nobody keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from dev_stack import unprivileged
from dev_stack.unprivileged import temporary_home


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A directory in the place of the one whose files are kept in memory."""
    monkeypatch.setattr(unprivileged, "MEMORY", str(tmp_path))
    monkeypatch.setattr(unprivileged, "ROOM", 1)
    return tmp_path


def test_it_lies_in_memory_and_leaves_nothing_there(memory: Path) -> None:
    with temporary_home() as home:
        assert home.parent == memory
        (home / "data").write_text("x")
    assert not [*memory.iterdir()]


def test_it_lies_on_disk_where_memory_has_no_room(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unprivileged, "ROOM", 2**60)
    with temporary_home() as home:
        assert home.parent != memory


def test_it_lies_on_disk_for_who_measures_disks(memory: Path) -> None:
    with temporary_home(on_disk=True) as home:
        assert home.parent != memory


def test_it_lies_on_disk_where_there_is_no_such_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unprivileged, "MEMORY", "/nowhere")
    with temporary_home() as home:
        assert home.is_dir()


def test_others_may_pass_through_and_not_look() -> None:
    with temporary_home() as home:
        assert home.stat().st_mode & 0o777 == 0o711
