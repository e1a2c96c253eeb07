"""How long answers take as the load nears what one core can answer."""

from __future__ import annotations

from tests.bench.measured import Measured, Measuring
from tests.report import Line, Plot, Section

LOADS = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
FEW_LOADS = (0.1, 0.5, 0.8, 0.95)
PERCENTILES = (50, 99)


def plot(measuring: Measuring, section: Section, measured: Measured) -> None:
    bench, operation, best = measuring.bench, measured.operation, measured.best
    section.console.print(f"  {operation.name} by load")
    loads = bench.size.pick(FEW_LOADS, LOADS)
    runs = {load: measuring.open(operation, best * load).run.good for load in loads}
    section.plot(
        Plot(
            f"Latency of a {operation.name} by offered load",
            f"load, % of {best:,.0f} a second",
            "ms",
            [
                Line(f"p{percent}", [(100 * load, runs[load].percentile(percent)) for load in runs])
                for percent in PERCENTILES
            ],
            logarithmic=True,
        )
    )
