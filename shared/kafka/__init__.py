"""Kafka on asyncio: confluent-kafka's classic clients, each driven by one thread of its own.

`confluent_kafka.aio` would be shorter, but holds a trickle of messages back for ever and loses one
when a poll is cancelled.
"""

from shared.kafka.assignment import Assignment, Message
from shared.kafka.connection import KafkaConnection, KafkaUnavailable
from shared.kafka.consumer import Consumer
from shared.kafka.consuming import consume_until
from shared.kafka.producer import Producer
from shared.kafka.topic_admin import create_topics

__all__ = [
    "Assignment",
    "Consumer",
    "KafkaConnection",
    "KafkaUnavailable",
    "Message",
    "Producer",
    "consume_until",
    "create_topics",
]
