"""A load generator for the proofs: a process of its own, never on the measured processor.

It shares the others with the parts. A machine of one processor has no others.

    with Generator.started(cpus.others) as generator:
        run = generator.closed(url, wires, connections=32, seconds=3)      # what it can do
        run = generator.open(url, wires, rate=500, connections=32)         # how long that takes
        run.rate, run.percentile(99), run.statuses

Own code, because what schedules arrivals (wrk2, vegeta, k6) comes from no registry of Python's, and
a general client costs as much CPU for a request as the service does.
"""

from tests.load.cpus import Cpus
from tests.load.generator import Generator
from tests.load.run import Answer, Run
from tests.load.wire import wire

__all__ = ["Answer", "Cpus", "Generator", "Run", "wire"]
