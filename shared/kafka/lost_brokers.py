"""A client that will never find the brokers again, although they are there.

librdkafka forgets a broker that metadata does not name, and a broker that was frozen or restarted
names not even itself for a moment. If a connection breaks in that moment, the client is left
without any broker and asks nobody ever again (its issue 5301, seen with 2.16).
"""

from __future__ import annotations

import time

import confluent_kafka
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from shared.kafka.connection import KafkaConnection

LOST = "the brokers answer a new client and not this one"
ANSWER_SECONDS = 1.0
QUIET_SECONDS = 5.0

Client = confluent_kafka.Producer | confluent_kafka.Consumer | AdminClient


class Doubt:
    """Of a consumer that hears nothing: is nothing there, or has it lost its brokers?"""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self.put_off()

    def put_off(self) -> None:
        self._due = time.monotonic() + QUIET_SECONDS

    def is_right_about(self, client: confluent_kafka.Consumer) -> bool:
        """Looks after some quiet seconds only, and may then block for up to 3 seconds."""
        if time.monotonic() < self._due:
            return False
        self.put_off()
        return has_lost_its_brokers(client, self._connection)


def has_lost_its_brokers(client: Client, connection: KafkaConnection) -> bool:
    """Whether the brokers answer a new client and not this one; blocks for up to 3 seconds."""
    if answers(client) or not answers(AdminClient(connection.client_config())):
        return False
    # They may just have come back.
    return not answers(client)


def answers(client: Client) -> bool:
    try:
        client.list_topics(timeout=ANSWER_SECONDS)
    except KafkaException:
        return False
    return True
