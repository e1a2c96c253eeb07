"""When an overload is over: the figure stands on this reading of the answers after it."""

from __future__ import annotations

import math

import pytest

from tests.bench.overload import until_normal
from tests.load import Answer, Run


def logins(*seconds: float, status: int = 200) -> Run:
    """One after the other, from the 7th second of the clock on."""
    answers, began = [], 0.0
    for each in seconds:
        answers.append(Answer(began, each, status))
        began += each
    return Run(began, answers, epoch=7.0)


def test_normal_is_when_the_first_of_several_quick_answers_has_come() -> None:
    run = logins(0.5, 0.1, 0.4, 0.1, 0.1, 0.1)
    assert until_normal(run, 0.15, since=6.0) == pytest.approx(1.0 + 0.5 + 0.1 + 0.4 + 0.1)


def test_refusals_and_too_few_answers_are_not_normal() -> None:
    assert until_normal(logins(0.1, 0.1, 0.1, status=503), 0.15, since=6.0) == math.inf
    assert until_normal(logins(0.5, 0.1, 0.1), 0.15, since=6.0) == math.inf
