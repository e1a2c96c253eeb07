"""What a proof has found: printed as tables, and written as Markdown with plots and as JSON."""

from tests.report.plots import Bars, Line, Plot
from tests.report.report import Figure, Report, Section, Target
from tests.report.size import Size

__all__ = ["Bars", "Figure", "Line", "Plot", "Report", "Section", "Size", "Target"]
