"""Nobody can write a log line."""

from __future__ import annotations

from tests.fault_matrix.demands import all_arrive
from tests.fault_matrix.ledger import EVERYTHING
from tests.fault_matrix.row import ALL_PROCESSES, Row
from tests.fault_matrix.steps import nothing

ROWS = (
    Row(
        "logs",
        "of every process on a full disk",
        nothing,
        nothing,
        full_disk=frozenset(ALL_PROCESSES),
        unharmed=EVERYTHING,
        demands=(all_arrive,),
    ),
)
