"""A backlog as it lies there after an outage: how fast it goes, and that each mail goes once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.bench import Bench
from tests.bench.mail.office import Moment, Office
from tests.bench.mail.orders import ask
from tests.bench.mail.sendgrid import SendGrid
from tests.corner import Corner
from tests.process_usage import peak_mib
from tests.report import Figure, Line, Plot, Target

SENDGRID_SECONDS = 0.02
# So many a worker has in hand at most: with fewer it needs less memory.
SMALL = 10_000
HOW = """\
{mails:,} orders lay on Kafka before one worker was started, with a SendGrid of 20 ms. A mail is
lost that was never accepted, and doubled when its event id was accepted twice; counted after the
worker has stopped. Its memory is compared with that for a backlog of {small:,}, the most that it
takes in hand."""


@dataclass(frozen=True)
class Drained:
    moments: Sequence[Moment]
    peak_mib: float
    lost: int
    doubled: int

    @property
    def seconds(self) -> float:
        """From the worker's start."""
        return self.moments[-1].at - self.moments[0].at


def measure(bench: Bench, corner: Corner) -> None:
    section = bench.report.section("Mail: a backlog")
    mails = bench.size.pick(20_000, 100_000)
    section.tell(HOW.replace("\n", " ").format(mails=mails, small=SMALL))
    with SendGrid.started(bench.cpus.others, SENDGRID_SECONDS) as sendgrid:
        small, large = (_drained(bench, corner, sendgrid, many) for many in (SMALL, mails))
    section.figure(Figure("lost", large.lost, "mails", Target(at_most=0)))
    section.figure(Figure("doubled", large.doubled, "mails", Target(at_most=0)))
    section.figure(Figure("drained in", large.seconds, "s"))
    section.figure(Figure("a second", mails / large.seconds, "mails"))
    section.figure(Figure("peak of the worker's memory", large.peak_mib, "MiB"))
    growth = large.peak_mib / small.peak_mib
    section.figure(Figure("of the small backlog's peak", growth, "×", Target(at_most=1.2)))
    began = large.moments[0].at
    points = [(moment.at - began, moment.mails) for moment in large.moments]
    section.plot(
        Plot("A backlog is drained", "s", "mails accepted", [Line(f"{mails:,} mails", points)])
    )


def _drained(bench: Bench, corner: Corner, sendgrid: SendGrid, mails: int) -> Drained:
    bench.report.console.print(f"  a backlog of {mails:,}")
    asked = ask(corner, mails)
    with Office.opened(bench, corner, sendgrid) as office:
        moments = office.until(mails)
        peak = peak_mib(office.pid)
    event_ids = [mail.event_id for mail in sendgrid.accepted() if mail.event_id in asked]
    distinct = set(event_ids)
    return Drained(moments, peak, len(asked - distinct), len(event_ids) - len(distinct))
