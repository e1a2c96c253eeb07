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
# What is not there or milder than wished, and why.
LEFT_OUT: tuple[str, ...] = (
    "Faults that take minutes elsewhere take seconds here, unless a row's name says more: under a "
    "steady load it shows soon whether what waits comes back, and all rows must fit into an hour.",
    "Kills between a spent code and its account, wrong codes while Redis is away and messages that "
    "are too large are proved one by one, in tests/faults and tests/email_service.",
    *kafka.LEFT_OUT,
    *postgres.LEFT_OUT,
    *clock.LEFT_OUT,
)
