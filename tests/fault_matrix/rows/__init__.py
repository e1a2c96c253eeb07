"""The rows, a file for each victim."""

from tests.fault_matrix.row import Row
from tests.fault_matrix.rows import (
    email_worker,
    full_queues,
    kafka,
    logs,
    poison,
    postgres,
    redis,
    sendgrid,
    service,
    worker,
)

ALL: tuple[Row, ...] = (
    *service.ROWS,
    *worker.ROWS,
    *email_worker.ROWS,
    *kafka.ROWS,
    *redis.ROWS,
    *postgres.ROWS,
    *sendgrid.ROWS,
    *poison.ROWS,
    *full_queues.ROWS,
    *logs.ROWS,
)
