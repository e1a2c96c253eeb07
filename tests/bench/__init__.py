"""`make bench`: what Gatepost costs and bears, section by section, as ratios within one run."""

import sys
from pathlib import Path

# What others install lies beside our code, and a section measures it.
sys.path.append(str(Path(__file__).parents[2] / "clients" / "python"))
