"""A producer that may send what Python's cannot, like a header whose name is no UTF-8."""

from __future__ import annotations

import ctypes
from pathlib import Path

import confluent_kafka

# What rd_kafka_producev takes, each before its values.
END, TOPIC, VALUE, FLAGS, HEADER = 0, 1, 4, 7, 9
COPY = 2
PRODUCER = 0


def produce_with_header(brokers: str, topic: str, name: bytes) -> None:
    """One record with such a header, by librdkafka itself; raises AssertionError."""
    kafka = _librdkafka()
    conf = ctypes.c_void_p(kafka.rd_kafka_conf_new())
    kafka.rd_kafka_conf_set(conf, b"bootstrap.servers", brokers.encode(), None, None)
    client = ctypes.c_void_p(kafka.rd_kafka_new(PRODUCER, conf, None, None))
    failed = kafka.rd_kafka_producev(
        client,
        *(TOPIC, topic.encode()),
        *(VALUE, b"value", ctypes.c_size_t(5)),
        *(FLAGS, COPY),
        *(HEADER, name, b"value", ctypes.c_ssize_t(5)),
        END,
    )
    assert not failed
    assert not kafka.rd_kafka_flush(client, 10_000)
    kafka.rd_kafka_destroy(client)


def _librdkafka() -> ctypes.CDLL:
    """The one that came with Python's client."""
    packages = Path(confluent_kafka.__file__).parent.parent
    [path] = (packages / "confluent_kafka.libs").glob("librdkafka*.so*")
    kafka = ctypes.CDLL(str(path))
    kafka.rd_kafka_conf_new.restype = kafka.rd_kafka_new.restype = ctypes.c_void_p
    return kafka
