"""What a worker has to be called fast: being busy is not enough."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tests.bench.mail.ceiling import Point, judge
from tests.bench.mail.office import Pace
from tests.report import Section


@pytest.mark.parametrize(
    ("answers", "pace", "missed"),
    [
        (0.02, Pace(2_700, worker=0.9, wanted=0.99, sendgrid=0.3), []),
        (0.2, Pace(480, worker=0.2, wanted=0.3, sendgrid=0.1), []),
        # It spends its core, and ours, on every mail.
        (0.02, Pace(500, worker=0.9, wanted=0.99, sendgrid=0.1), ["mails per CPU second"]),
        (0.2, Pace(250, worker=0.9, wanted=0.99, sendgrid=0.1), ["mails per CPU second"]),
        # It waits for nobody knows what.
        (0.02, Pace(1_500, worker=0.5, wanted=0.5, sendgrid=0.3), ["wanted"]),
        (0.2, Pace(250, worker=0.1, wanted=0.95, sendgrid=0.1), ["mails a second"]),
    ],
)
def test_a_worker_is_slow_by_costly_mails_or_by_waiting(
    answers: float, pace: Pace, missed: list[str]
) -> None:
    section = Section("Mail", Console(file=io.StringIO()))
    judge(section, Point(answers, answers, 100, pace))
    found = [
        figure.name.partition(" of")[0].partition(",")[0]
        for figure in section.figures
        if figure.missed
    ]
    assert found == missed
