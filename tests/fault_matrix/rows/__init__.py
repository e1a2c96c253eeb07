"""The rows, a file for each victim."""

from tests.fault_matrix.row import Row
from tests.fault_matrix.rows import (
    clock,
    email_worker,
    everything,
    full_queues,
    hashing,
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
    *hashing.ROWS,
    *worker.ROWS,
    *email_worker.ROWS,
    *kafka.ROWS,
    *redis.ROWS,
    *postgres.ROWS,
    *sendgrid.ROWS,
    *poison.ROWS,
    *full_queues.ROWS,
    *logs.ROWS,
    *clock.ROWS,
    *everything.ROWS,
)
# Why some are not there.
ABSENT: tuple[str, ...] = (*kafka.ABSENT, *clock.ABSENT)
