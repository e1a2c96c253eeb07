"""What librdkafka has for its own tests, and its Python binding does not show."""

from __future__ import annotations

import ctypes
from pathlib import Path

import confluent_kafka
from confluent_kafka import KafkaError

from shared.kafka import Producer

_libraries = Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
_library = ctypes.CDLL(str(next(_libraries.glob("librdkafka-*.so*"))))


def make_fatal(producer: Producer) -> None:
    """Let its client find the broker's sequence of messages broken: it takes nothing any more."""
    client = producer._client._client
    handle = ctypes.c_void_p.from_address(id(client) + object.__basicsize__)
    error = KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert _library.rd_kafka_test_fatal_error(handle, error, b"provoked") == 0
