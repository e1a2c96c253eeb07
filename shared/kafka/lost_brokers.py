"""A client that will never find the brokers again, although they are there.

librdkafka forgets a broker that metadata does not name, and a broker that was frozen or restarted
names not even itself for a moment. If a connection breaks in that moment, the client is left
without any broker and asks nobody ever again (its issue 5301, seen with 2.16).
"""

from __future__ import annotations

import threading
import time

import confluent_kafka
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from shared.kafka.connection import KafkaConnection

LOST = "the brokers answer a new client and not this one"
ANSWER_SECONDS = 1.0
# A new client has yet to connect, with TLS and SASL perhaps, over a wire that may be long.
NEWCOMER_SECONDS = 5.0
PAUSE_SECONDS = 0.05
QUIET_SECONDS = 5.0

Client = confluent_kafka.Producer | confluent_kafka.Consumer | AdminClient


class Doubt:
    """Of a consumer that hears nothing: is nothing there, or has it lost its brokers?"""

    def __init__(self, connection: KafkaConnection, stopping: threading.Event) -> None:
        self._connection = connection
        self._stopping = stopping
        self.put_off()

    def put_off(self) -> None:
        self._due = time.monotonic() + QUIET_SECONDS

    def confirmed_about(self, client: confluent_kafka.Consumer) -> bool:
        """Looks after some quiet seconds only, and blocks as `has_lost_its_brokers` does."""
        if time.monotonic() < self._due:
            return False
        self.put_off()
        return has_lost_its_brokers(client, self._connection, self._stopping)


def has_lost_its_brokers(
    client: Client, connection: KafkaConnection, stopping: threading.Event
) -> bool:
    """Whether the brokers answer a new client and not this one.

    Blocks for up to 14 seconds, of which one may still come when `stopping` is set; raises
    KafkaException where no new client can be made.
    """
    if answers(client):
        return False
    asked_at = time.monotonic()
    newcomer = AdminClient(connection.client_config())
    if not _answers_within(NEWCOMER_SECONDS, newcomer, stopping):
        return False
    # They may just have come back, or be far away: it gets the time that the new one has needed.
    needed = time.monotonic() - asked_at
    return not _answers_within(needed, client, stopping) and not stopping.is_set()


def _answers_within(seconds: float, client: Client, stopping: threading.Event) -> bool:
    until = time.monotonic() + seconds
    while not stopping.is_set():
        if answers(client):
            return True
        if time.monotonic() > until:
            break
        stopping.wait(PAUSE_SECONDS)
    return False


def answers(client: Client) -> bool:
    try:
        client.list_topics(timeout=ANSWER_SECONDS)
    except KafkaException:
        return False
    return True
