"""Lines over two axes, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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


@dataclass(frozen=True)
class Plot:
    """`x` and `y` name the axes with their units; `logarithmic` is about y, which must not be 0."""

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
            logarithmic=self.logarithmic,
            show_minor_y_labels=False,
        )
        for line in self.lines:
            chart.add(line.label, list(line.points))
        chart.render_to_file(str(path))
