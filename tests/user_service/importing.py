"""Running the import commands, and what they have made."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import forked
from tests.corner import Corner


@dataclass(frozen=True)
class Done:
    """How a command ended; `peak` is the most memory it had, in MiB."""

    code: int
    out: str
    err: str
    peak: float

    @property
    def totals(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


def start(corner: Corner, *words: str | Path, **settings: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "user_service", "import", *map(str, words)],
        env=corner.variables | settings,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def bring(corner: Corner, *words: str | Path, typed: str = "", **settings: str) -> Done:
    """Run one to its end, without knowing of its memory."""
    variables = corner.variables | settings
    given = ["import", *map(str, words)]
    done = forked.ran("user_service", *given, variables=variables, typed=typed)
    assert "Traceback" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr, 0.0)


def bring_alone(corner: Corner, *words: str | Path, typed: bytes = b"") -> Done:
    """Run one to its end in a process that was started for it."""
    with start(corner, *words) as process:
        return end(process, typed)


def end(process: subprocess.Popen[bytes], typed: bytes = b"") -> Done:
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write(typed)
    process.stdin.close()
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, _peak(process.pid))
        time.sleep(0.02)
    out, err = process.stdout.read().decode(), process.stderr.read().decode()
    assert "Traceback" not in err, err
    return Done(process.returncode, out, err, peak)


def _peak(pid: int) -> float:
    # Not the usage that a parent is told of: a child's begins with its parent's own.
    status = Path(f"/proc/{pid}/status").read_text()
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", status) or ["0"]
    return int(peak) / 1024


def kill(process: subprocess.Popen[bytes]) -> None:
    with process:
        os.kill(process.pid, signal.SIGKILL)


def people_of(corner: Corner, like: str) -> dict[str, tuple[Any, ...]]:
    """By address: the Clerk user, whether made for it, the username, and whether a password."""
    return asyncio.run(who_is(corner, like))


async def who_is(corner: Corner, like: str) -> dict[str, tuple[Any, ...]]:
    """The same in a test that awaits."""
    rows = await corner.fetch(
        """
        SELECT accounts.email, clerk_users.id, made_account, accounts.username,
            password_hash IS NOT NULL
        FROM accounts LEFT JOIN clerk_users ON account_id = accounts.id
        WHERE accounts.email LIKE $1
        """,
        like,
    )
    return {row[0]: tuple(row)[1:] for row in rows}


def traces_of(corner: Corner, like: str) -> list[tuple[Any, ...]]:
    """Of all accounts with such addresses together: kinds of entries and how many have them."""
    return [
        tuple(row)
        for row in corner.rows(
            """
            WITH those AS (SELECT id, name, email, username FROM accounts WHERE email LIKE $1)
            SELECT topic, count(*), count(DISTINCT key)
            FROM outbox JOIN those ON key = those.id::text
            WHERE payload::json ->> 'email' = email
                AND payload::json ->> 'name' = name
                AND payload::json ->> 'username' IS NOT DISTINCT FROM username
            GROUP BY topic
            UNION ALL
            SELECT action || ' by ' || actor, count(*), count(DISTINCT account_id)
            FROM audit JOIN those ON account_id = those.id GROUP BY 1
            ORDER BY 1
            """,
            like,
        )
    ]
