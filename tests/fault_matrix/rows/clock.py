"""The clock of one process jumps by two hours while it runs, where libfaketime is installed.

What may happen: the email worker judges by its own clock whether a code is still worth mailing, so
with a clock that is ahead it puts mails aside as expired, and people must ask again. What must
not: any deadline, pause, session or limit may notice, since they go by monotonic time, by Redis or
by Postgres; and a token that was issued meanwhile only ends by the clock that it was issued by.

librdkafka waits by the time of day (its issue 2145): whoever sets a clock back by more than seconds
restarts what speaks to Kafka.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tests.fault_matrix.deployment import Deployment
from tests.fault_matrix.ledger import EVERYTHING
from tests.fault_matrix.row import Row, Step
from tests.fault_matrix.steps import all_arrive
from tests.report import Size

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
OFFSET = Path(tempfile.gettempdir()) / f"gatepost-matrix-clock-{os.getpid()}"
RIGHT = "+0"
AHEAD, BEHIND = "+7200", "-7200"
# The library makes each look at the clock so dear that a service costs several times as much.
PEOPLE_PER_SECOND = 3.0
SECONDS = Size.wanted().pick(4, 20)


def jumps(offset: str) -> Step:
    async def jump(_deployment: Deployment) -> None:
        OFFSET.write_text(offset)

    return jump


def faked(process: str) -> dict[str, dict[str, str]]:
    """The settings of a process whose clock is as the file says."""
    OFFSET.write_text(RIGHT)
    return {
        process: {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(OFFSET),
            # It looks into the file once a second, not at each look at the clock.
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
    }


def _row(process: str, words: str, offset: str) -> Row:
    return Row(
        "clock",
        words,
        jumps(offset),
        jumps(RIGHT),
        more_settings=faked(process),
        lasts=SECONDS,
        rate=PEOPLE_PER_SECOND,
        unharmed=EVERYTHING,
        demands=(all_arrive,),
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
ABSENT = (
    "An email worker whose clock is ahead is left out: under libfaketime librdkafka's own waits "
    "are wrong by as much, and it neither works nor ends.",
    *(() if LIBRARY else ("So are all other rows about the clock: libfaketime is not installed.",)),
)
