"""What came each second, and when somebody was struck."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

from tests.fault_matrix.deployment import Deployment
from tests.report import Line, Plot


def drawn(title: str, deployment: Deployment) -> Plot:
    """Of the row at hand."""
    seen = deployment.traffic.ledger.seen
    began = min((each.at for each in seen), default=time.monotonic())
    ended = {
        "202s": (each.at + each.seconds for each in seen if each.status == 202),
        "refused": (each.at + each.seconds for each in seen if each.status == 503),
        "unanswered": (each.at + each.seconds for each in seen if each.status == 0),
        "mails": _mails(deployment),
    }
    lines = [Line(name, _each_second(moments, began)) for name, moments in ended.items()]
    strikes = [(round(strike.at - began, 1), 0.0) for strike in deployment.strikes]
    return Plot(title, "s", "1/s", [*lines, Line("strikes", strikes, marks=True)])


def _mails(deployment: Deployment) -> Iterable[float]:
    """The mailbox writes down the time of day."""
    mailbox = deployment.sendgrid.mailbox
    offset = time.monotonic() - time.time()
    for mail in mailbox.newest(limit=mailbox.capacity):
        yield mail.received_at.timestamp() + offset


def _each_second(moments: Iterable[float], began: float) -> list[tuple[float, float]]:
    counts = Counter(int(moment - began) for moment in moments)
    return [(second, counts[second]) for second in range(max(counts, default=-1) + 1)]
