"""Places on disk that the user `nobody` can reach, for a root that must give up its rights."""

from __future__ import annotations

import pwd
import shutil
import tempfile
from pathlib import Path

HIDDEN_HOMES_GO_TO = "/var/tmp"


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
