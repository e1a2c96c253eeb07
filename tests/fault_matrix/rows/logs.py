"""Nobody can write a log line."""

from __future__ import annotations

from tests.fault_matrix.ledger import AS_PROMISED
from tests.fault_matrix.row import ALL_PROCESSES, Row
from tests.fault_matrix.steps import all_arrive, nothing

ROWS = (
    Row(
        "logs",
        "of every process on a full disk",
        nothing,
        nothing,
        full_disk=frozenset(ALL_PROCESSES),
        unharmed=frozenset(AS_PROMISED),
        demands=(all_arrive,),
    ),
)
