"""Kafka is away, hangs, dies, is slow or loses connections."""

from __future__ import annotations

from tests.fault_matrix.demands import in_flight_answered, refused, slower
from tests.fault_matrix.faults import (
    gone,
    let_pass,
    reset_again_and_again,
    terminate_while_hung,
    thaw_and_start,
    wire,
)
from tests.fault_matrix.row import Row
from tests.fault_matrix.steps import nothing
from tests.report import Size

# Only what sends a mail at once needs Kafka; the rest tells of itself through the outbox.
UNHARMED = frozenset({"verify", "log in", "profile"})
FELT = (refused("register"),)
# Beyond the half minute after which a producer that hears nothing is replaced.
HANGS_FOR = Size.wanted().pick(None, 40.0)


ROWS = (
    *gone("Kafka", "kafka", hangs_for=HANGS_FOR, unharmed=UNHARMED, demands=FELT),
    Row(
        "Kafka",
        "three tenths of a second slower",
        wire("kafka", lambda proxy: proxy.delay(0.15)),
        let_pass("kafka"),
        unharmed=UNHARMED | {"register"},
        demands=(slower("register", by=0.25),),
    ),
    Row(
        "Kafka",
        "20 kB a second",
        wire("kafka", lambda proxy: proxy.throttle(20_000)),
        let_pass("kafka"),
        unharmed=UNHARMED,
        demands=(slower("register", by=0.02),),
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
        "SIGTERM of everything while it hangs",
        terminate_while_hung("kafka"),
        thaw_and_start("kafka"),
        unanswered=True,
        lasts=0,
        batches=1,
        demands=(*FELT, in_flight_answered),
    ),
)
LEFT_OUT = (
    "Kafka is three tenths of a second slower instead of half a second: librdkafka has five "
    "requests under way, of one partition each, so with half a second twenty registrations a "
    "second would wait for one another, up to the two seconds after which they are refused.",
    "A topic deleted and made again is left out: it loses mails at times, 0 to 120 of 150 here. "
    "Whether brokers acknowledge what they are about to delete, or offsets of the old topic are "
    "taken for the new one, is not known yet. No topic is to be deleted while people register.",
    "Kafka's disk full is left out: a broker that cannot write ends, as in the row that kills it, "
    "and a file system of its own to fill needs rights that a test should not have.",
)
