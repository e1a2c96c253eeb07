"""A report grows section by section, and is shown as it grows."""

from __future__ import annotations

import re
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Shown

from tests.report import machine
from tests.report.neighbours import Neighbours
from tests.report.plots import Bars, Plot
from tests.report.size import Size

MARKS = {True: "yes", False: "**missed**", None: ""}


class Target(msgspec.Struct, frozen=True):
    at_most: float | None = None
    at_least: float | None = None

    def met_by(self, value: float) -> bool:
        least = self.at_least is None or value >= self.at_least
        return least and (self.at_most is None or value <= self.at_most)

    def __str__(self) -> str:
        most = f"≤ {self.at_most:g}" if self.at_most is not None else ""
        least = f"≥ {self.at_least:g}" if self.at_least is not None else ""
        return " and ".join(filter(None, (least, most)))


class Figure(msgspec.Struct, frozen=True):
    """One measured value. `why` explains it if it misses its target, and is not shown otherwise."""

    name: str
    value: float
    unit: str = ""
    target: Target | None = None
    why: str = ""

    @property
    def shown(self) -> str:
        value = f"{self.value:,.0f}" if abs(self.value) >= 1000 else f"{self.value:.3g}"
        return f"{value} {self.unit}".rstrip()

    @property
    def met(self) -> bool | None:
        return None if self.target is None else self.target.met_by(self.value)

    @property
    def missed(self) -> bool:
        return self.met is False


class Table(msgspec.Struct, frozen=True):
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass
class Section:
    """`console` is told of everything at once; the files follow when they are saved."""

    title: str
    console: Console
    told: list[str] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    plots: list[Plot | Bars] = field(default_factory=list)

    def tell(self, text: str) -> None:
        """A paragraph on how something was measured, or why it came out so."""
        self.told.append(text)
        self.console.print(escape(text))

    def figure(self, figure: Figure) -> None:
        self.figures.append(figure)
        mark = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}[figure.met]
        target = f"({escape(str(figure.target))}) {mark}" if figure.target else ""
        self.console.print(f"  {escape(figure.name)}: [b]{escape(figure.shown)}[/] {target}")

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.tables.append(Table(title, columns, rows))
        shown = Shown(*columns, title=escape(title), title_justify="left")
        for row in rows:
            shown.add_row(*row)
        self.console.print(shown)

    def plot(self, plot: Plot | Bars) -> None:
        self.plots.append(plot)


class Report:
    """The sections of one run, in the order in which they were opened."""

    def __init__(self, title: str, size: Size, console: Console | None = None) -> None:
        self.title = title
        self.size = size
        self.console = console or Console(width=140)
        self.sections: list[Section] = []
        self.machine = machine.described()
        self._neighbours = Neighbours()

    def section(self, title: str) -> Section:
        section = Section(title, self.console)
        self.sections.append(section)
        self.console.rule(escape(title), align="left")
        return section

    @property
    def missed(self) -> list[Figure]:
        return [each for section in self.sections for each in section.figures if each.missed]

    def failed(self, title: str, failure: Exception) -> None:
        """Tell of what did not come to its end: whole on the screen, and as a missed target."""
        section = self.section(f"{title}: not finished")
        self.console.print("".join(traceback.format_exception(failure)), markup=False)
        why = " ".join(f"{type(failure).__name__}: {failure}".split())
        section.figure(Figure("failures", 1, "", Target(at_most=0), why))

    def write(self, folder: Path) -> Path:
        """Save it with what is only known at the end, when all that we started has ended."""
        self.machine.append(("meanwhile", self._neighbours.described()))
        self.console.print(self.machine[-1][1], style="dim")
        return self.save(folder)

    def save(self, folder: Path) -> Path:
        """Write report.md with its plots, and report.json; returns the path of the former."""
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.svg"):
            old.unlink()
        lines = [f"# {self.title}", "", f"Size: {self.size}.", ""]
        lines += [*_table(Table("", ("part", "version"), self.machine)), ""]
        for section in self.sections:
            lines += _markdown(section, folder)
        (folder / "report.md").write_text("\n".join(lines), "utf-8")
        (folder / "report.json").write_bytes(msgspec.json.format(msgspec.json.encode(self._facts)))
        return folder / "report.md"

    @property
    def _facts(self) -> dict[str, object]:
        return {
            "title": self.title,
            "size": self.size,
            "machine": dict(self.machine),
            "sections": [
                {
                    "title": each.title,
                    "told": each.told,
                    "figures": each.figures,
                    "tables": each.tables,
                }
                for each in self.sections
            ],
        }


def _markdown(section: Section, folder: Path) -> list[str]:
    lines = [f"## {section.title}", ""]
    for paragraph in section.told:
        lines += [paragraph, ""]
    if section.figures:
        rows = [
            (f.name, f.shown, str(f.target or ""), MARKS[f.met] + (f" {f.why}" if f.missed else ""))
            for f in section.figures
        ]
        lines += [*_table(Table("", ("figure", "value", "target", "met"), rows)), ""]
    for table in section.tables:
        lines += [f"### {table.title}", "", *_table(table), ""]
    for plot in section.plots:
        name = re.sub(r"\W+", "-", plot.title.lower()).strip("-") + ".svg"
        plot.write(folder / name)
        lines += [f"![{plot.title}]({name})", ""]
    return lines


def _table(table: Table) -> list[str]:
    rows = [table.columns, ["---"] * len(table.columns), *table.rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
