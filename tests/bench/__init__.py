"""Figures: what a request costs, as ratios measured in one run."""

import sys
from pathlib import Path

# What others install lies beside our code, and a section measures it.
sys.path.append(str(Path(__file__).parents[2] / "clients" / "python"))
