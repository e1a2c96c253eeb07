"""What a worker has to be called fast: being busy is not enough."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tests.bench.mail.ceiling import Point, judge
from tests.bench.mail.office import Pace
from tests.report import Section

FULL = Pace(2_800, worker=0.95, wanted=0.95, sendgrid=0.5)
IDLE = Pace(1_500, worker=0.5, wanted=0.5, sendgrid=0.3)
DEAR = Pace(400, worker=0.9, wanted=0.99, sendgrid=0.1)


@pytest.mark.parametrize(
    ("answers", "pace", "most", "missed"),
    [
        (0.02, Pace(2_600, worker=0.85, wanted=0.87, sendgrid=0.3), FULL, []),
        (0.2, Pace(480, worker=0.2, wanted=0.3, sendgrid=0.1), IDLE, []),
        # It spends its core, and ours, on every mail.
        (0.02, DEAR, DEAR, ["mails per CPU second"]),
        (0.2, DEAR, DEAR, ["mails per CPU second"]),
        # It waits for nobody knows what.
        (0.02, Pace(1_500, worker=0.5, wanted=0.5, sendgrid=0.3), FULL, ["mails a second"]),
        (0.02, IDLE, IDLE, ["wanted"]),
        (0.2, Pace(250, worker=0.1, wanted=0.95, sendgrid=0.1), FULL, ["mails a second"]),
    ],
)
def test_a_worker_is_slow_by_costly_mails_or_by_waiting(
    answers: float, pace: Pace, most: Pace, missed: list[str]
) -> None:
    section = Section("Mail", Console(file=io.StringIO()))
    judge(section, Point(answers, answers, 100, pace), Point(answers, answers, 200, most))
    found = [
        figure.name.partition(" of")[0].partition(",")[0]
        for figure in section.figures
        if figure.missed
    ]
    assert found == missed
