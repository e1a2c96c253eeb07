"""Settings that keep the coverage tracer out of a process: under it all takes twice as long."""

from __future__ import annotations

UNTRACED = {"COVERAGE_PROCESS_CONFIG": "", "COVERAGE_PROCESS_START": ""}
