"""Producing with an awaited acknowledgement of all in-sync replicas."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException

from shared.events import Headers
from shared.kafka.connection import KafkaConnection, KafkaUnavailable

POLL_SECONDS = 0.1
PURGE_SECONDS = 0.2
# After these the brokers may hold the message although its acknowledgement was lost.
UNCERTAIN = {KafkaError._MSG_TIMED_OUT, KafkaError._TIMED_OUT, KafkaError._TRANSPORT}  # noqa: SLF001

Outcome = tuple["asyncio.Future[None]", KafkaError | None]


class Producer:
    """An idempotent producer, driven by a thread between `start` and `close`.

    `timeout` is what one message may take in seconds; None lets it wait for the brokers for ever
    and keeps the order of a partition across every outage.
    """

    def __init__(self, connection: KafkaConnection, *, timeout: float | None = 2.0) -> None:
        self._timeout = timeout
        # Since the last success no broker could be connected to: what waits has not been sent.
        self._cut_off = False
        self._client = confluent_kafka.Producer(
            connection.client_config()
            | {
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 0,
                "message.timeout.ms": 0 if timeout is None else int(timeout * 1000),
                "error_cb": self._complained,
            }
        )
        self._loop: asyncio.AbstractEventLoop
        self._decided: list[Outcome] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="kafka-producer", daemon=True)

    def start(self) -> None:
        """Begin to deliver acknowledgements to the running loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def produce(
        self, topic: str, key: str | bytes | None, value: bytes | None, headers: Headers
    ) -> None:
        """Return once the brokers hold the message; raises KafkaUnavailable."""
        acknowledged = self.enqueue(topic, key, value, headers)
        try:
            # librdkafka looks at its own message timeout about once a second only.
            async with asyncio.timeout(self._timeout):
                await asyncio.shield(acknowledged)
        except TimeoutError:
            if self._cut_off:
                # Taken back, or it would be sent when its sender has long given up.
                self._client.purge(in_flight=False, blocking=False)
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
        acknowledged: asyncio.Future[None] = self._loop.create_future()

        def delivered(error: KafkaError | None, _message: object) -> None:
            with self._lock:
                first = not self._decided
                self._decided.append((acknowledged, error))
            # One wake-up of the loop for all acknowledgements that arrive together.
            if first:
                self._loop.call_soon_threadsafe(self._settle)

        sent: list[tuple[str, str | bytes | None]] = [*headers]
        try:
            self._client.produce(topic, value, key, on_delivery=delivered, headers=sent)
        except (BufferError, KafkaException) as error:
            acknowledged.set_exception(KafkaUnavailable(str(error), certain=True))
        return acknowledged

    async def ping(self, timeout: float = 1.0) -> None:
        """Ask the brokers for their metadata; raises KafkaUnavailable."""
        try:
            await asyncio.to_thread(self._client.list_topics, "", timeout)
        except KafkaException as error:
            raise KafkaUnavailable(str(error), certain=True) from None
        self._cut_off = False

    async def close(self, timeout: float = 5.0) -> int:
        """Flush for up to `timeout` seconds; returns how many messages were left undelivered."""
        left = await asyncio.to_thread(self._client.flush, timeout)
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)
        return left

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self._client.poll(POLL_SECONDS)

    def _complained(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001
            self._cut_off = True

    def _settle(self) -> None:
        with self._lock:
            decided, self._decided = self._decided, []
        for acknowledged, error in decided:
            if acknowledged.done():
                continue
            if error is None:
                self._cut_off = False
                acknowledged.set_result(None)
            else:
                certain = self._cut_off or error.code() not in UNCERTAIN
                acknowledged.set_exception(KafkaUnavailable(str(error), certain=certain))
            # A caller that gave up waiting leaves nobody to look at the refusal.
            acknowledged.add_done_callback(_look_at)


def _look_at(acknowledged: asyncio.Future[Any]) -> None:
    if not acknowledged.cancelled():
        acknowledged.exception()
