"""Places that the user `nobody` can reach, for a root that must give up its rights."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HIDDEN_HOMES_GO_TO = "/var/tmp"
MEMORY, ROOM = "/dev/shm", 4 * 2**30


@contextmanager
def temporary_home(*, on_disk: bool = False) -> Iterator[Path]:
    """A directory for parts' data, deleted at the end; in memory where there is room for it.

    A disk that stands still for a second would be taken for a fault of the part. `on_disk` is for
    those who measure what disks cost.
    """
    in_memory = not on_disk and _memory_has_room()
    home = Path(tempfile.mkdtemp(prefix="gatepost-", dir=MEMORY if in_memory else None))
    home.chmod(0o711)
    try:
        yield home
    finally:
        remove(home)


def is_open_to_others(path: Path) -> bool:
    """Whether every user may pass through `path` and all its parents."""
    resolved = path.resolve()
    return all(each.stat().st_mode & 0o001 for each in (resolved, *resolved.parents))


def home_for_nobody(place: Path) -> Path:
    """A directory that belongs to `nobody`: `place`, or one in /var/tmp that `place` links to."""
    if not place.exists():
        # A link whose directory was swept away is started afresh.
        place.unlink(missing_ok=True)
        if is_open_to_others(place.parent):
            place.mkdir()
        else:
            place.symlink_to(tempfile.mkdtemp(prefix="gatepost-", dir=HIDDEN_HOMES_GO_TO))
    shutil.chown(place, "nobody", pwd.getpwnam("nobody").pw_gid)
    return place.resolve()


def remove(home: Path) -> None:
    """Delete `home` with the directory in /var/tmp that its `postgres` may link to."""
    hidden = home / "postgres"
    if hidden.is_symlink():
        shutil.rmtree(hidden.resolve(), ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)


def _memory_has_room() -> bool:
    try:
        place = os.statvfs(MEMORY)
    except OSError:
        return False
    # Postgres' programs may have to be copied there, see dev_stack/postgres.py.
    runs = not place.f_flag & os.ST_NOEXEC
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return runs and min(place.f_bavail * place.f_frsize, physical // 4) >= ROOM
