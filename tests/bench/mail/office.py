"""The email worker on the measured processor, and SendGrid's stand-in on another."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from dev_stack.ports import free_port
from tests.bench.bench import Bench
from tests.bench.mail.sendgrid import KEY, SendGrid
from tests.corner import Corner
from tests.load.cpus import pinned
from tests.process_usage import cpu_seconds, wanted_seconds
from tests.system.daemon import daemon

PERIOD_SECONDS = 0.1
STILL_SECONDS = 30.0


class Moment(NamedTuple):
    """`at` is on time.perf_counter; `mails` are those since the office opened.

    `worker_wanted` are the seconds for which the worker had a processor or waited for one.
    """

    at: float
    mails: int
    worker_cpu: float
    worker_wanted: float
    sendgrid_cpu: float


@dataclass(frozen=True)
class Pace:
    """Mails a second, and the shares of a core that they took of the worker and the stand-in.

    `wanted` is what the worker would have had of its core if nobody else had wanted it.
    """

    rate: float
    worker: float
    wanted: float
    sendgrid: float

    @classmethod
    def of(cls, moments: Sequence[Moment]) -> Pace:
        """Without the first and the last tenth of the mails: those of starting and running out."""
        total = moments[-1].mails
        first = next(moment for moment in moments if moment.mails >= total * 0.1)
        last = next(moment for moment in moments if moment.mails >= total * 0.9)
        seconds = last.at - first.at
        return cls(
            rate=(last.mails - first.mails) / seconds,
            worker=(last.worker_cpu - first.worker_cpu) / seconds,
            wanted=(last.worker_wanted - first.worker_wanted) / seconds,
            sendgrid=(last.sendgrid_cpu - first.sendgrid_cpu) / seconds,
        )


@dataclass(frozen=True)
class Office:
    """One worker's life."""

    pid: int
    sendgrid: SendGrid
    before: int

    @classmethod
    @contextmanager
    def opened(
        cls, bench: Bench, corner: Corner, sendgrid: SendGrid, **settings: str
    ) -> Iterator[Office]:
        """A worker that answers its probe; at the end it has finished what it had begun."""
        port = free_port()
        variables = corner.variables | {
            "SENDGRID_API_KEY": KEY,
            "SENDGRID_BASE_URL": sendgrid.url,
            "FROM_EMAIL": "no-reply@gatepost.example",
            "EMAIL_PROBE_PORT": str(port),
            **settings,
        }
        before = sendgrid.count()
        with (
            tempfile.TemporaryDirectory() as logs,
            pinned(bench.cpus.measured),
            daemon("email_service", "run", variables=variables, port=port, logs=Path(logs)) as run,
            pinned(bench.cpus.others),
        ):
            yield cls(run.pid, sendgrid, before)

    def until(self, mails: int) -> Sequence[Moment]:
        """What was seen until so many were accepted, or until nothing moved any more."""
        moments = [self._now()]
        moved = moments[0].at
        while moments[-1].mails < mails and moments[-1].at < moved + STILL_SECONDS:
            time.sleep(PERIOD_SECONDS)
            moments.append(self._now())
            if moments[-1].mails > moments[-2].mails:
                moved = moments[-1].at
        return moments

    def accepted(self, addresses: Collection[str]) -> dict[str, float]:
        """When the first mail to each was accepted; of the missing ones there was none in time."""
        wanted, deadline = set(addresses), time.monotonic() + STILL_SECONDS
        while True:
            time.sleep(PERIOD_SECONDS)
            found = {mail.address: mail.at for mail in reversed(self.sendgrid.accepted())}
            if wanted <= found.keys() or time.monotonic() > deadline:
                return found

    def _now(self) -> Moment:
        mails = self.sendgrid.count() - self.before
        return Moment(
            time.perf_counter(),
            mails,
            cpu_seconds(self.pid),
            wanted_seconds(self.pid),
            cpu_seconds(self.sendgrid.pid),
        )
