"""Kafka is away, hangs, dies, is slow or loses connections, or a topic."""

from __future__ import annotations

import asyncio

from confluent_kafka.admin import AdminClient

from shared.kafka import KafkaConnection
from shared.kafka.topic_admin import create_topics
from shared.topics import SEND_OTP
from tests.fault_matrix.demands import refused, slower
from tests.fault_matrix.deployment import Deployment
from tests.fault_matrix.faults import (
    freeze,
    kill,
    let_pass,
    refuse,
    reset_again_and_again,
    start,
    terminate_while_hung,
    thaw,
    thaw_and_start,
    wire,
)
from tests.fault_matrix.row import Row
from tests.fault_matrix.steps import nothing

# Only what sends a mail at once needs Kafka; the rest tells of itself through the outbox.
UNHARMED = frozenset({"verify", "log in", "profile"})
FELT = (refused("register"),)


async def delete_send_otp(deployment: Deployment) -> None:
    """Delete it when its last mail is out, or what it holds would be lost with it."""
    service = deployment.processes["service"]
    service.freeze()
    await asyncio.sleep(0.5)
    client = AdminClient({"bootstrap.servers": deployment.kafka.url})
    topic = deployment.corner.topic_prefix + SEND_OTP.name
    (deleted,) = client.delete_topics([topic]).values()
    await asyncio.to_thread(deleted.result, 5)
    service.thaw()


async def create_send_otp(deployment: Deployment) -> None:
    connection = KafkaConnection(
        brokers=deployment.kafka.url, topic_prefix=deployment.corner.topic_prefix
    )
    await create_topics(connection, [SEND_OTP])


ROWS = (
    Row(
        "Kafka",
        "connections refused",
        refuse("kafka"),
        let_pass("kafka"),
        unharmed=UNHARMED,
        demands=FELT,
    ),
    Row(
        "Kafka", "hangs (SIGSTOP)", freeze("kafka"), thaw("kafka"), unharmed=UNHARMED, demands=FELT
    ),
    Row(
        "Kafka",
        "kill -9, started again",
        kill("kafka"),
        start("kafka"),
        unharmed=UNHARMED,
        demands=FELT,
    ),
    Row(
        "Kafka",
        "half a second slower",
        wire("kafka", lambda proxy: proxy.delay(0.25)),
        let_pass("kafka"),
        unharmed=UNHARMED | {"register"},
        demands=(slower("register", seconds=0.5),),
    ),
    Row(
        "Kafka",
        "20 kB a second",
        wire("kafka", lambda proxy: proxy.throttle(20_000)),
        let_pass("kafka"),
        unharmed=UNHARMED,
        demands=(slower("register", seconds=0.02),),
    ),
    Row(
        "Kafka",
        "connections reset",
        reset_again_and_again("kafka"),
        nothing,
        unharmed=UNHARMED,
        lasts=0,
    ),
    Row(
        "Kafka",
        "topic send-otp missing",
        delete_send_otp,
        create_send_otp,
        unharmed=UNHARMED,
        demands=FELT,
    ),
    Row(
        "Kafka",
        "SIGTERM of everything while it hangs",
        terminate_while_hung("kafka"),
        thaw_and_start("kafka"),
        unanswered=True,
        lasts=0,
        batches=1,
        demands=FELT,
    ),
)
ABSENT = (
    "Kafka's disk full is left out: a broker that cannot write ends, as in the row that kills it, "
    "and a file system of its own to fill needs rights that a test should not have.",
)
