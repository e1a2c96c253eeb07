"""SendGrid's stand-in as a process of its own: whoever is measured does not pay for it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import uvloop

from dev_stack.mail_stand_in import Mail, Mailbox, MailStandIn
from tests.load import Generator, wire

KEY = "SG.bench"
PROBES = 40
PROBE = wire(
    "POST",
    "/v3/mail/send",
    headers={"authorization": f"Bearer {KEY}"},
    json={
        "personalizations": [{"to": [{"email": "probe@example.org"}]}],
        "from": {"email": "no-reply@gatepost.example"},
        "subject": "Probe",
        "content": [{"type": "text/plain", "value": "Probe"}],
    },
)
COUNT, LIST = "count", "list"


class Accepted(NamedTuple):
    """`at` is on time.perf_counter, which the processes of a machine share."""

    event_id: str
    address: str
    at: float


class Acceptances(Mailbox):
    """Keeps no mail, but when each was accepted."""

    def __init__(self) -> None:
        super().__init__(capacity=0)
        self.accepted: list[Accepted] = []

    def put(self, mail: Mail) -> None:
        self.accepted.append(Accepted(mail.event_id or "", mail.to, time.perf_counter()))
        super().put(mail)


@dataclass(frozen=True)
class SendGrid:
    url: str
    pid: int
    _line: Connection

    @classmethod
    @contextmanager
    def started(cls, cpus: frozenset[int], latency: float = 0.0) -> Iterator[SendGrid]:
        """On these processors; it answers `latency` seconds late."""
        context = get_context("spawn")
        line, far_end = context.Pipe()
        process = context.Process(target=_serve, args=(far_end, cpus, latency), daemon=True)
        process.start()
        far_end.close()
        try:
            yield cls(line.recv(), process.pid or 0, line)
        finally:
            process.terminate()
            process.join()

    def count(self) -> int:
        """How many mails were accepted so far, each once."""
        return int(self._ask(COUNT))

    def accepted(self) -> list[Accepted]:
        """All of them, in the order of their acceptance."""
        accepted: list[Accepted] = self._ask(LIST)
        return accepted

    def answering_seconds(self, generator: Generator) -> float:
        """How long it takes for a mail, as a bare client sees it."""
        run = generator.closed(self.url, [PROBE] * PROBES, connections=4, seconds=60)
        assert set(run.statuses) == {202}, run.statuses
        return run.percentile(50) / 1000

    def _ask(self, wanted: str) -> Any:
        self._line.send(wanted)
        return self._line.recv()


def _serve(line: Connection, cpus: frozenset[int], latency: float) -> None:
    os.sched_setaffinity(0, cpus)
    uvloop.run(_stand_in(line, latency))


async def _stand_in(line: Connection, latency: float) -> None:
    acceptances = Acceptances()
    async with MailStandIn(key=KEY, latency=latency, mailbox=acceptances) as stand_in:
        line.send(stand_in.url)
        await asyncio.to_thread(_tell, line, acceptances)


def _tell(line: Connection, acceptances: Acceptances) -> None:
    # Who asks is gone when the line ends.
    with suppress(EOFError):
        while wanted := line.recv():
            line.send(acceptances.distinct_event_ids if wanted == COUNT else acceptances.accepted)
