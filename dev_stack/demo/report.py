"""The closing table of the demo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dev_stack.demo.journey import STEPS, Tally


@dataclass(frozen=True)
class Deliveries:
    """How many registered people got one mail, more than one, and none."""

    once: int
    doubled: int
    lost: int


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of `values` lie, by nearest rank; 0 of none."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else 0.0


def show(console: Console, people: int, tally: Tally, mails: Deliveries, seconds: float) -> None:
    counts = Table(title=f"\n{people} people in {seconds:.1f} s", title_justify="left")
    rows = {
        "sent": tally.reached["register"],
        "received once": mails.once,
        "doubled": mails.doubled,
        "lost": mails.lost,
        "verified": tally.reached["verify"],
        "logged in": tally.reached["log in"],
        "profile read": tally.reached["profile"],
    }
    counts.add_column("")
    counts.add_column("people", justify="right")
    for name, number in rows.items():
        wrong = number != (0 if name in ("doubled", "lost") else people)
        counts.add_row(name, f"[bold red]{number}[/]" if wrong else f"[green]{number}[/]")
    console.print(counts)
    console.print(_times(tally))
    for problem, count in tally.problems.most_common(5):
        console.print(f"[red]{count} ×[/] {escape(problem)}", highlight=False)


def _times(tally: Tally) -> Table:
    times = Table("step")
    for heading in ("p50", "p99", "retried on 503"):
        times.add_column(heading, justify="right")
    for step in STEPS:
        seconds = tally.seconds[step]
        half, most = (f"{percentile(seconds, share) * 1000:.0f} ms" for share in (0.5, 0.99))
        times.add_row(step, half, most, str(tally.retried[step]))
    return times
