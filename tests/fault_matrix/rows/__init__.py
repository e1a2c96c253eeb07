"""The rows, a file for each victim."""

from tests.fault_matrix.row import Row
from tests.fault_matrix.rows import email_worker, kafka

ALL: tuple[Row, ...] = (*kafka.ROWS, *email_worker.ROWS)
