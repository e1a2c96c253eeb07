"""The clock of one process jumps by two hours while it runs, where libfaketime is installed.

The email worker judges by its own clock whether a code is still worth mailing; here it is behind,
and all are. Nobody may notice: any deadline, pause, session or limit goes by monotonic time, by
Redis or by Postgres. Only a token that is used for the first time just after its service's clock
has jumped is refused: by that clock it has expired, or comes from the future.

librdkafka waits by the time of day (its issue 2145): whoever sets a clock back by more than seconds
restarts what speaks to Kafka.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import re
import tempfile
import time
import urllib.request
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from dev_stack.part import Part
from tests.fault_matrix.demands import all_arrive
from tests.fault_matrix.deployment import Deployment
from tests.fault_matrix.ledger import EVERYTHING
from tests.fault_matrix.row import Row, Step
from tests.report import Size

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
SLEEPING = Path(__file__).parents[1] / "faked_clock"
OFFSET = Path(tempfile.gettempdir()) / f"gatepost-matrix-clock-{os.getpid()}"
AHEAD, BEHIND = "+7200", "-7200"
# The library looks into its file once a second.
MOVES_WITHIN_SECONDS = 5.0
# The library makes each look at the clock so dear that a service costs several times as much.
PEOPLE_PER_SECOND = 3.0
# Of each jump those who have just logged in, and of a busy machine some more.
MOST_REFUSED = 12
LOGGED = re.compile(r'"time":"([^"]+)"')
SECONDS = Size.wanted().pick(4, 20)


def jumps(process: str, offset: str) -> Step:
    async def jump(deployment: Deployment) -> None:
        # Not sooner: what reads the file may be running until we end.
        atexit.register(OFFSET.unlink, missing_ok=True)
        OFFSET.write_text(offset)
        await _until_off(deployment, process, int(offset))

    return jump


def comes_right(process: str) -> Step:
    async def come_right(deployment: Deployment) -> None:
        OFFSET.write_text("+0")
        await _until_off(deployment, process, 0)

    return come_right


async def _until_off(deployment: Deployment, process: str, seconds: int) -> None:
    """A library without effect would prove nothing: the process itself must tell such a time."""
    deadline = time.monotonic() + MOVES_WITHIN_SECONDS
    ahead = _logged_ahead if process == "service" else _answered_ahead
    while abs(await asyncio.to_thread(ahead, deployment.processes[process]) - seconds) > 60:
        if time.monotonic() > deadline:
            deployment.problems.append(f"the clock never came to be {seconds} s off")
            return
        await asyncio.sleep(0.1)


def _answered_ahead(process: Part) -> float:
    """By how much a clock is ahead, by the date of an answer."""
    with urllib.request.urlopen(f"{process.url}/health/live", timeout=2) as answer:
        return parsedate_to_datetime(answer.headers["date"]).timestamp() - time.time()


def _logged_ahead(process: Part) -> float:
    """By the last log line: of a service whose clock is set back, the date of answers stands."""
    times = LOGGED.findall(process.log.read_text("utf-8", "replace"))
    return datetime.fromisoformat(times[-1]).timestamp() - time.time() if times else 0.0


async def few_tokens_refused(deployment: Deployment) -> list[str]:
    refused = [each for each in deployment.traffic.ledger.seen if each.status == 401]
    strange = [each for each in refused if each.step != "profile"]
    wrong = strange or refused[MOST_REFUSED:]
    return [f"{len(refused)} refused, as {wrong[:1]}"] if wrong else []


def faked(process: str) -> dict[str, dict[str, str]]:
    """The settings of a process whose clock is as the file says, and right without one."""
    return {
        process: {
            "LD_PRELOAD": str(LIBRARY),
            "PYTHONPATH": str(SLEEPING),
            "FAKETIME_TIMESTAMP_FILE": str(OFFSET),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
    }


def _row(process: str, words: str, offset: str) -> Row:
    tokens = {"profile"} if process == "service" else set()
    return Row(
        "clock",
        words,
        jumps(process, offset),
        comes_right(process),
        more_settings=faked(process),
        lasts=SECONDS,
        rate=PEOPLE_PER_SECOND,
        unharmed=EVERYTHING - tokens,
        statuses=frozenset({401} if tokens else ()),
        demands=(all_arrive, few_tokens_refused),
    )


ROWS = (
    (
        _row("service", "of the service, two hours ahead and back", AHEAD),
        _row("service", "of the service, two hours behind and back", BEHIND),
        _row("worker", "of the worker, two hours ahead and back", AHEAD),
        _row("email", "of the email worker, two hours behind and back", BEHIND),
    )
    if LIBRARY
    else ()
)
LEFT_OUT = (
    "An email worker whose clock is ahead is left out: under libfaketime librdkafka's own waits "
    "are wrong by as much, and it neither works nor ends.",
    *(() if LIBRARY else ("So are all other rows about the clock: libfaketime is not installed.",)),
)
