"""Producing with an awaited acknowledgement of all in-sync replicas."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import structlog
from confluent_kafka import KafkaException

from shared.events import Headers
from shared.kafka.connection import KafkaConnection, KafkaUnavailable
from shared.kafka.lost_brokers import LOST
from shared.kafka.producing_client import ProducingClient

PURGE_SECONDS = 0.2
LOOK_SECONDS = 1.0
QUIET_SECONDS = 3.0
# Brokers may have a reason to take nothing, so these double each time that it did not help.
MOST_UNANSWERED, MOST_SILENT_SECONDS = 3, 30.0
MOST_PATIENCE = 64
SETTLE_SECONDS = 5.0
ANSWER_SECONDS = 1.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Suspicion:
    """`since` when brokers answer a silent client all the same; `unanswered` before that."""

    since: float
    unanswered: int

    def confirmed_by(self, client: ProducingClient, patience: int) -> bool:
        silent = min(client.silent_for, time.monotonic() - self.since)
        unanswered = client.unanswered - self.unanswered
        return silent > MOST_SILENT_SECONDS * patience or unanswered >= MOST_UNANSWERED * patience


class Producer:
    """An idempotent producer that replaces its client when that will never work again.

    `timeout` is what one message may take in seconds; None lets it wait for the brokers for ever
    and keeps the order of a partition across every outage. A client that is replaced refuses what
    it holds.
    """

    def __init__(self, connection: KafkaConnection, *, timeout: float | None = 2.0) -> None:
        self._connection = connection
        self._timeout = timeout
        self._client = self._new_client()
        self._patience = 1
        self._suspicion: Suspicion | None = None
        self._watching: asyncio.Task[None]

    def start(self) -> None:
        """Begin to deliver acknowledgements to the running loop."""
        self._client.start()
        self._watching = asyncio.create_task(self._watch())

    async def produce(
        self, topic: str, key: str | bytes | None, value: bytes | None, headers: Headers
    ) -> None:
        """Return once the brokers hold the message; raises KafkaUnavailable."""
        client = self._client
        acknowledged = client.enqueue(topic, key, value, headers)
        try:
            # librdkafka looks at its own message timeout about once a second only.
            async with asyncio.timeout(self._timeout):
                await asyncio.shield(acknowledged)
        except TimeoutError:
            if client.cut_off and client is self._client:
                # Taken back, or it would be sent when its sender has long given up.
                client.take_back()
                await asyncio.wait([acknowledged], timeout=PURGE_SECONDS)
            if not acknowledged.done():
                raise KafkaUnavailable("no acknowledgement in time", certain=False) from None
            await acknowledged

    def enqueue(
        self, topic: str, key: str | bytes | None, value: bytes | None, headers: Headers
    ) -> asyncio.Future[None]:
        """Hand a message over and return its acknowledgement, which may raise KafkaUnavailable.

        Messages of one key are acknowledged in the order in which they were enqueued.
        """
        return self._client.enqueue(topic, key, value, headers)

    async def ping(self, timeout: float = 1.0) -> None:
        """Ask the brokers for their metadata; raises KafkaUnavailable."""
        await self._client.ping(timeout)

    async def close(self, timeout: float = 5.0) -> int:
        """Flush for up to `timeout` seconds; returns how many messages were left undelivered."""
        self._watching.cancel()
        return await self._client.close(timeout)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._look()
            except (KafkaException, RuntimeError) as error:
                # For want of threads, say, no client can be made now; a watch must outlive that.
                log.warning("kafka_producer_not_replaced", reason=str(error))

    async def _look(self) -> None:
        client = self._client
        self._note_answers(client)
        if reason := await self._reason_to_replace(client):
            self._replace(reason)
            await asyncio.sleep(SETTLE_SECONDS)

    def _note_answers(self, client: ProducingClient) -> None:
        if client.silent_for < QUIET_SECONDS:
            self._patience = 1 if client.ever_answered else self._patience
            self._suspicion = self._suspicion if client.unanswered else None

    async def _reason_to_replace(self, client: ProducingClient) -> str | None:
        """Why the client has to go, where waiting would not help."""
        if client.fatal or client.silent_for < QUIET_SECONDS:
            return client.fatal
        try:
            await client.ping(ANSWER_SECONDS)
        except KafkaUnavailable:
            self._suspicion = None
            lost_all = await client.has_lost_its_brokers(self._connection)
            return LOST if lost_all else None
        return self._reason_in_silence(client)

    def _reason_in_silence(self, client: ProducingClient) -> str | None:
        self._suspicion = self._suspicion or Suspicion(time.monotonic(), client.unanswered)
        if self._suspicion.confirmed_by(client, self._patience):
            self._patience = min(2 * self._patience, MOST_PATIENCE)
            return "the brokers answer and acknowledge nothing"
        client.forget_silence()
        return None

    def _replace(self, reason: str) -> None:
        successor = self._new_client()
        # Before it is ours: if no thread can be had, nobody would drive it.
        successor.start()
        retired, self._client = self._client, successor
        self._suspicion = None
        log.warning("kafka_producer_replaced", reason=reason)
        # Only now: whoever tries again at once must find the new one.
        retired.retire()

    def _new_client(self) -> ProducingClient:
        timeout = self._timeout
        return ProducingClient(
            self._connection.client_config()
            | {
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 0,
                "message.timeout.ms": 0 if timeout is None else int(timeout * 1000),
            }
        )
