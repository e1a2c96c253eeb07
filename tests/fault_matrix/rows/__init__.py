"""The rows, a file for each victim."""

from tests.fault_matrix.row import Row
from tests.fault_matrix.rows import email_worker, kafka, postgres, redis, service, worker

ALL: tuple[Row, ...] = (
    *service.ROWS,
    *worker.ROWS,
    *email_worker.ROWS,
    *kafka.ROWS,
    *redis.ROWS,
    *postgres.ROWS,
)
