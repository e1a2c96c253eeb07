"""Lines over two axes, as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pygal
from pygal.style import CleanStyle

STYLE = CleanStyle(
    background="white",
    plot_background="white",
    font_family="sans-serif",
    guide_stroke_color="#dddddd",
    major_guide_stroke_color="#bbbbbb",
    colors=("#1f6fb4", "#d1495b", "#2a9d5c", "#e08e0b", "#7a4fa3", "#4c4c4c"),
)


@dataclass(frozen=True)
class Line:
    label: str
    points: Sequence[tuple[float, float]]
    marks: bool = False
    """Single dots, not a line."""


@dataclass(frozen=True)
class Plot:
    """`x` and `y` name the axes with their units; `logarithmic` is about y and leaves out zeros."""

    title: str
    x: str
    y: str
    lines: Sequence[Line]
    logarithmic: bool = False

    def write(self, path: Path) -> None:
        """Nothing in it is fetched from elsewhere."""
        chart = pygal.XY(
            title=self.title,
            x_title=self.x,
            y_title=self.y,
            js=[],
            style=STYLE,
            width=860,
            height=400,
            dots_size=2.5,
            legend_at_bottom=True,
            show_minor_y_labels=True,
            **(self._decades() if self.logarithmic else self._steps()),
        )
        # Drawn by their exponents: pygal's own logarithms are about both axes at once.
        for line in self.lines:
            points = _exponents(line.points) if self.logarithmic else line.points
            dots = 5 if line.marks else 2.5
            chart.add(line.label, points, stroke=not line.marks, dots_size=dots)
        chart.render_to_file(str(path))

    def _steps(self) -> dict[str, Any]:
        """About five from 0 to above the highest: pygal would label hardly any."""
        most = max((y for line in self.lines for _, y in line.points), default=0.0) or 1.0
        decade = 10.0 ** math.floor(math.log10(most))
        step = next(decade * part for part in (0.1, 0.2, 0.5, 1, 2) if most <= decade * part * 6)
        ticks = [step * number for number in range(math.ceil(most / step) + 1)]
        return {
            "y_labels": [{"value": tick, "label": f"{tick:,.10g}"} for tick in ticks],
            "range": (0.0, ticks[-1]),
        }

    def _decades(self) -> dict[str, Any]:
        """1, 2, 5, 10, 20 … from below the lowest point to above the highest."""
        heights = [y for line in self.lines for _, y in line.points if y] or [1.0]
        least, most = min(heights), max(heights)
        decades = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
        ticks = [step * 10.0**decade for decade in decades for step in (1, 2, 5)]
        below = max(tick for tick in ticks if tick <= least)
        above = min(tick for tick in ticks if tick >= most)
        shown = [tick for tick in ticks if below <= tick <= above]
        return {
            "y_labels": [{"value": math.log10(tick), "label": f"{tick:g}"} for tick in shown],
            "range": (math.log10(below), math.log10(above)),
            "value_formatter": lambda value: f"{10**value:.3g}",
        }


@dataclass(frozen=True)
class Bars:
    """A group of bars for each label, one of each series; `unit` names what they measure."""

    title: str
    unit: str
    labels: Sequence[str]
    series: Mapping[str, Sequence[float]]

    def write(self, path: Path) -> None:
        """Nothing in it is fetched from elsewhere."""
        chart = pygal.HorizontalBar(
            title=self.title,
            x_title=self.unit,
            js=[],
            style=STYLE,
            width=1000,
            height=140 + 26 * len(self.labels),
            legend_at_bottom=True,
        )
        # Drawn from the bottom up, and read from the top down.
        chart.x_labels = list(reversed(self.labels))
        for name, values in self.series.items():
            chart.add(name, list(reversed(values)))
        chart.render_to_file(str(path))


def _exponents(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(x, math.log10(y)) for x, y in points if y]
