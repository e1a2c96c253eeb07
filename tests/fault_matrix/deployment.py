"""All parts and processes of Gatepost, each of them ours to hurt, with a proxy before each part."""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from redis.asyncio import Redis

from dev_stack import services
from dev_stack.mail_stand_in import Mailbox, MailStandIn
from dev_stack.part import REPOSITORY, Part
from dev_stack.ports import free_port
from shared.dead_letters.reading import DeadLetter, DeadLetters
from shared.kafka import KafkaConnection
from shared.topics import FOREIGN, MAIL, Topic
from tests.corner import Corner
from tests.fault_matrix.traffic import Traffic
from tests.proxy import Proxy
from tests.unlimited import UNLIMITED
from tests.wired_parts import PartName, WiredParts

KEY = "SG.key"
# What one email worker may have in flight, and so what its death may double.
IN_FLIGHT = 10
SENDGRID_SECONDS = 0.02
PENDING = "SELECT count(*) FROM outbox WHERE acknowledged_at IS NULL"
SETTINGS = UNLIMITED | {
    "SENDGRID_API_KEY": KEY,
    "FROM_EMAIL": "no-reply@gatepost.example",
    "EMAIL_CONCURRENCY": str(IN_FLIGHT),
    "HASH_THREADS": "1",
}
# The process, and the setting that tells it where to answer.
COMMANDS = {
    "service": ("user_service serve", "PORT"),
    "worker": ("user_service worker", "WORKER_PROBE_PORT"),
    "email": ("email_service run", "EMAIL_PROBE_PORT"),
}


# Whatever is written there fails, as on a disk that is full.
FULL_DISK = Path("/dev/full")


WireName = PartName | Literal["sendgrid"]


class Strike(NamedTuple):
    """What was done, from when until when by the monotonic clock."""

    at: float
    ended: float
    what: str


class Exit(NamedTuple):
    """How a process ended when it was asked to."""

    process: str
    code: int | None
    seconds: float


@dataclass
class Deployment:
    """`processes` are of the row at hand, named service, worker, email, service-2, email-2 …

    So is the `traffic`. `deaths` are the killed email workers; `mails_at_risk`, `events_at_risk`
    and batches of the relay at risk are what else may have been doubled. `struck` and `healed` are
    when the fault began and ended, by the monotonic clock, and `strikes` what it consisted of,
    where it was more than one. A step may append to `problems` what makes the row red, and note
    figures that a demand will need.
    """

    parts: WiredParts
    sendgrid_wire: Proxy
    sendgrid: MailStandIn
    corner: Corner
    processes: dict[str, Part] = field(default_factory=dict)
    exits: list[Exit] = field(default_factory=list)
    deaths: int = 0
    mails_at_risk: int = 0
    batches_at_risk: int = 0
    events_at_risk: int = 0
    strikes: list[Strike] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    noted: dict[str, int] = field(default_factory=dict)
    struck: float = 0.0
    healed: float = math.inf
    _traffic: Traffic | None = None
    _dead_before: frozenset[str] = frozenset()

    @classmethod
    @asynccontextmanager
    async def opened(cls) -> AsyncIterator[Deployment]:
        async with AsyncExitStack() as stack:
            parts = stack.enter_context(WiredParts.started())
            mailbox = Mailbox(capacity=200_000)
            sendgrid = MailStandIn(key=KEY, latency=SENDGRID_SECONDS, mailbox=mailbox)
            await stack.enter_async_context(sendgrid)
            sendgrid_wire = stack.enter_context(Proxy.before(sendgrid.port))
            made = Corner.made("matrix", parts.urls)
            corner = await asyncio.to_thread(made.__enter__)
            yield cls(parts, sendgrid_wire, sendgrid, corner)

    async def start(
        self,
        processes: Mapping[str, Mapping[str, str]],
        logs: Path,
        source: Path = REPOSITORY,
        *,
        later: Collection[str] = (),
        full_disk: Collection[str] = (),
    ) -> None:
        """Start these processes with the settings of each, from the code in `source`.

        Those `later` are made ready only, and those of `full_disk` log to one. Raises PartFailed.
        """
        self.exits, self.strikes, self.problems, self.noted = [], [], [], {}
        self.deaths = self.mails_at_risk = self.batches_at_risk = self.events_at_risk = 0
        self.struck, self.healed = 0.0, math.inf
        self.processes = {
            name: self._process(
                name, settings, FULL_DISK if name in full_disk else logs / f"{name}.log", source
            )
            for name, settings in processes.items()
        }
        await asyncio.gather(*(self.begin(name) for name in processes if name not in later))
        # Not sooner: leaders of topics that are only just made may not be known yet.
        self._dead_before = frozenset(letter.id for letter in await self.dead_letters())

    @property
    def traffic(self) -> Traffic:
        """The load of the row at hand."""
        if self._traffic is None:
            raise RuntimeError("no row is being carried out")
        return self._traffic

    @traffic.setter
    def traffic(self, traffic: Traffic) -> None:
        self._traffic = traffic

    def part(self, name: PartName) -> Part:
        return self.parts.part(name)

    def wire(self, name: WireName) -> Proxy:
        """The one before it."""
        return self.sendgrid_wire if name == "sendgrid" else self.parts.wire(name)

    async def begin(self, name: str) -> None:
        """Start a process, for the first time or again, on the same port; raises PartFailed."""
        await asyncio.to_thread(self.processes[name].start)

    async def kill(self, name: str) -> None:
        """`kill -9`; what it has in flight may come again, and its events that are unmarked."""
        await asyncio.to_thread(self.processes[name].kill)
        self.deaths += name.startswith("email")
        if name.startswith("worker"):
            self.events_at_risk += await self.waiting_events()

    async def waiting_events(self) -> int:
        """How many the relay has yet to bring to Kafka, or to mark as brought there."""
        count: int = (await self.corner.fetch(PENDING))[0][0]
        return count

    def fault_is_over(self) -> None:
        """From now on a recovery is timed: said by what heals and then waits for the effect."""
        self.healed = min(self.healed, time.monotonic())

    def freeze(self, name: str) -> None:
        self.processes[name].freeze()

    def thaw(self, name: str) -> None:
        self.processes[name].thaw()

    async def make_whole(self) -> None:
        """End the processes, and make every part and wire work again; raises PartFailed."""
        for process in self.processes.values():
            await asyncio.to_thread(process.kill)
        await asyncio.to_thread(self.parts.make_whole)
        self.sendgrid_wire.let_pass()
        self.sendgrid.faults.clear()

    async def dead_letters(self, *topics: Topic) -> list[DeadLetter]:
        """All that ever were, of these topics or of the mails and of other services' events."""
        prefix = self.corner.topic_prefix
        connection = KafkaConnection(brokers=self.parts.kafka.url, topic_prefix=prefix)
        async with Redis.from_url(self.corner.redis_url) as redis:
            return await DeadLetters(connection, redis, topics or (*MAIL, *FOREIGN)).waiting()

    async def new_dead_letters(self, *topics: Topic) -> list[DeadLetter]:
        """Those of the row at hand."""
        letters = await self.dead_letters(*topics)
        return [letter for letter in letters if letter.id not in self._dead_before]

    async def terminate(self, *names: str) -> None:
        """SIGTERM these at once, or all that run, and note how each has ended."""
        running = [name for name in names or self.processes if self.processes[name].running]
        self.exits += await asyncio.gather(*(self._terminated(name) for name in running))

    @property
    def urls(self) -> list[str]:
        """Where users are served."""
        return [each.url for name, each in self.processes.items() if name.startswith("service")]

    def logged(self, event: str, *names: str) -> int:
        """How often the processes of this row, or those named, have logged it."""
        wanted = f'"event":"{event}"'
        return sum(log.count(wanted) for log in self._logs(names))

    def tracebacks(self) -> int:
        """How many of them they have logged."""
        return sum(log.count("Traceback (most recent call last)") for log in self._logs())

    def _logs(self, names: Collection[str] = ()) -> Iterator[str]:
        for name, process in self.processes.items():
            if process.log.is_file() and (not names or name in names):
                yield process.log.read_text("utf-8", "replace")

    def _process(self, name: str, settings: Mapping[str, str], log: Path, source: Path) -> Part:
        command, port_setting = COMMANDS[name.partition("-")[0]]
        port = free_port()
        behind_wires = self.parts.behind_wires(self.corner) | {
            "SENDGRID_BASE_URL": f"http://127.0.0.1:{self.sendgrid_wire.port}",
            # One for all services: it is in their tokens.
            "PUBLIC_BASE_URL": "http://localhost:3000",
            "PYTHONPATH": str(source),
            port_setting: str(port),
        }
        return Part(
            name=name,
            command=[sys.executable, "-m", *command.split()],
            log=log,
            ready=services.is_ready,
            port=port,
            url=f"http://127.0.0.1:{port}",
            directory=source,
            environment={**self.corner.variables, **SETTINGS, **behind_wires, **settings},
            patience=20.0,
        )

    async def _terminated(self, name: str) -> Exit:
        process, began = self.processes[name], time.monotonic()
        await asyncio.to_thread(process.stop)
        return Exit(name, process.exit_code, time.monotonic() - began)
