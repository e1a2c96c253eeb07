"""The way of mails: how long one takes, how many a worker sends, and a backlog that loses none."""

from __future__ import annotations

from tests.bench.bench import Bench
from tests.bench.mail import backlog, ceiling, latency
from tests.corner import Corner


def measure(bench: Bench) -> None:
    # Topics of its own: what other sections have registered must not be mailed in this one.
    with Corner.made("mail1") as corner:
        latency.measure(bench, corner)
        ceiling.measure(bench, corner)
        backlog.measure(bench, corner)
