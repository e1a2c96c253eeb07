"""One of librdkafka's producers and the thread that drives it, for as long as it works."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException

from shared.events import Headers
from shared.kafka.connection import ClientConfig, KafkaConnection, KafkaUnavailable
from shared.kafka.lost_brokers import has_lost_its_brokers

POLL_SECONDS = 0.1
# After these the brokers may hold the message although its acknowledgement was lost.
UNCERTAIN = {
    KafkaError._MSG_TIMED_OUT,  # noqa: SLF001
    KafkaError._TIMED_OUT,  # noqa: SLF001
    KafkaError._TRANSPORT,  # noqa: SLF001
    # A message that waits may be one that waits for its second time.
    KafkaError._PURGE_QUEUE,  # noqa: SLF001
    KafkaError._PURGE_INFLIGHT,  # noqa: SLF001
}

Acknowledgement = asyncio.Future[None]
Outcome = tuple[Acknowledgement, KafkaError | None]


class ProducingClient:
    """Works between `start` and `close` or `retire`; all of it is called on the loop.

    `cut_off` says that no broker could be connected to, and none has acknowledged anything since.
    `fatal` is why librdkafka has given this client up, `unanswered` how many messages found no
    answer since the brokers last gave one to any, `ever_answered` whether they ever have.
    """

    def __init__(self, config: ClientConfig) -> None:
        self.fatal: str | None = None
        self.unanswered = 0
        self.ever_answered = False
        self._unanswered_since: float | None = None
        self._cut_off_at: float | None = None
        # And since when: what is older than the cut may have been sent before it.
        self._waiting: dict[Acknowledgement, float] = {}
        self._client = confluent_kafka.Producer({**config, "error_cb": self._complained})
        self._loop: asyncio.AbstractEventLoop
        self._decided: list[Outcome] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._retired = False
        self._thread = threading.Thread(target=self._drive, name="kafka-producer", daemon=True)

    def start(self) -> None:
        """Begin to deliver acknowledgements to the running loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    @property
    def cut_off(self) -> bool:
        return self._cut_off_at is not None

    @property
    def silent_for(self) -> float:
        """Seconds for which something has been unanswered, and nothing was answered."""
        since = self._unanswered_since
        return 0.0 if since is None else time.monotonic() - since

    def enqueue(
        self, topic: str, key: str | bytes | None, value: bytes | None, headers: Headers
    ) -> Acknowledgement:
        acknowledged: Acknowledgement = self._loop.create_future()
        # A caller that gave up waiting leaves nobody to look at the refusal.
        acknowledged.add_done_callback(_look_at)
        sent: list[tuple[str, str | bytes | None]] = [*headers]
        delivered = self._delivery_of(acknowledged)
        enqueued_at = time.monotonic()
        try:
            self._client.produce(topic, value, key, on_delivery=delivered, headers=sent)
        except (BufferError, KafkaException) as error:
            acknowledged.set_exception(KafkaUnavailable(str(error), certain=True))
        else:
            self._waiting[acknowledged] = enqueued_at
            self._asked()
        return acknowledged

    def take_back(self) -> None:
        """Refuse what waits, before it is sent when its sender has long given up."""
        self._client.purge(in_flight=False, blocking=False)

    async def ping(self, timeout: float) -> None:
        """Ask the brokers for their metadata; raises KafkaUnavailable."""
        try:
            await asyncio.to_thread(self._client.list_topics, timeout=timeout)
        except KafkaException as error:
            self._asked()
            raise KafkaUnavailable(str(error), certain=True) from None
        self._cut_off_at = None

    async def has_lost_its_brokers(self, connection: KafkaConnection) -> bool:
        return await asyncio.to_thread(
            has_lost_its_brokers, self._client, connection, self._stopping
        )

    def forget_silence(self) -> None:
        """Forget a silence that was the brokers', unless there is still something to wait for."""
        if not self._waiting:
            self._unanswered_since = None

    async def close(self, timeout: float) -> int:
        """Flush for up to `timeout` seconds; returns how many messages were left undelivered."""
        try:
            await asyncio.to_thread(self._client.flush, timeout)
        except KafkaException as error:
            self.fatal = str(error)
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)
        return len(self._client)

    def retire(self) -> None:
        """Refuse all that waits: whether the brokers have it nobody knows."""
        for acknowledged in self._waiting:
            # Whoever was cancelled, as a relay that stops, has left its message behind.
            if not acknowledged.done():
                replaced = KafkaUnavailable("the client was replaced", certain=False)
                acknowledged.set_exception(replaced)
        self._waiting.clear()
        self._client.purge(blocking=False)
        self._retired = True
        self._stopping.set()

    def _asked(self) -> None:
        if self._unanswered_since is None:
            self._unanswered_since = time.monotonic()

    def _answered(self) -> None:
        self.unanswered = 0
        self.ever_answered = True
        self._unanswered_since = time.monotonic() if self._waiting else None

    def _settle(self) -> None:
        with self._lock:
            decided, self._decided = self._decided, []
        for acknowledged, error in decided:
            enqueued_at = self._waiting.pop(acknowledged, 0.0)
            if error is not None:
                self._failed(acknowledged, error, enqueued_at)
                continue
            self._cut_off_at = None
            self._answered()
            if not acknowledged.done():
                acknowledged.set_result(None)

    def _failed(self, acknowledged: Acknowledgement, error: KafkaError, enqueued_at: float) -> None:
        answered = error.code() not in UNCERTAIN
        if answered:
            self._answered()
        else:
            self.unanswered += 1
        if not acknowledged.done():
            certain = answered or self._cannot_have_sent(enqueued_at)
            acknowledged.set_exception(KafkaUnavailable(str(error), certain=certain))

    def _cannot_have_sent(self, enqueued_at: float) -> bool:
        # A connection that held too briefly for a single acknowledgement goes unnoticed here.
        return self._cut_off_at is not None and self._cut_off_at < enqueued_at

    # -- on the client's own thread --------------------------------------------------------------

    def _drive(self) -> None:
        while not self._stopping.is_set():
            try:
                self._client.poll(POLL_SECONDS)
            except KafkaException as error:
                # Raised once, and nothing is taken any more afterwards.
                self.fatal = error.args[0].str()
        if self._retired:
            # Its end may take a while, which nobody on the loop should wait for.
            del self._client

    def _complained(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001
            # Said again with every attempt to connect; the first one counts.
            self._cut_off_at = self._cut_off_at or time.monotonic()

    def _delivery_of(
        self, acknowledged: Acknowledgement
    ) -> Callable[[KafkaError | None, object], None]:
        def delivered(error: KafkaError | None, _message: object) -> None:
            with self._lock:
                first = not self._decided
                self._decided.append((acknowledged, error))
            # One wake-up of the loop for all acknowledgements that arrive together.
            if first:
                self._loop.call_soon_threadsafe(self._settle)

        return delivered


def _look_at(acknowledged: Acknowledgement) -> None:
    if not acknowledged.cancelled():
        acknowledged.exception()
