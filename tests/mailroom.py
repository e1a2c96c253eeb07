"""Reading send-otp as the email service does, for tests that need a code and no mail."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import confluent_kafka
import msgspec

from shared.codes import OtpKeys
from shared.events import SendOtp
from tests.corner import OTP_KEY, Corner

WAIT_SECONDS = 10.0


class Mailroom:
    """Every event on send-otp so far, in the order of arrival."""

    def __init__(self, corner: Corner) -> None:
        self.keys = OtpKeys.parse((f"k1:{OTP_KEY}",))
        self.events: list[SendOtp] = []
        self.raw: list[confluent_kafka.Message] = []
        self._arrived = threading.Condition()
        self._stopping = threading.Event()
        settings = {
            "bootstrap.servers": corner.variables["KAFKA_BROKER"],
            "group.id": f"{corner.topic_prefix}mailroom",
            "auto.offset.reset": "earliest",
        }
        self._consumer = confluent_kafka.Consumer(settings)
        # Asks for offsets; a consumer that another thread polls may hang when it is asked.
        self._watcher = confluent_kafka.Consumer(settings)
        self._topic = f"{corner.topic_prefix}send-otp"
        self._consumer.subscribe([self._topic])
        self._thread = threading.Thread(target=self._read, daemon=True)

    @classmethod
    @contextmanager
    def opened(cls, corner: Corner) -> Iterator[Mailroom]:
        mailroom = cls(corner)
        mailroom._thread.start()
        yield mailroom
        mailroom._stopping.set()
        mailroom._thread.join()
        mailroom._consumer.close()
        mailroom._watcher.close()

    def about(self, registration_id: str, sequence: int = 1) -> SendOtp:
        """The event of one attempt's code, once it has arrived."""

        def found() -> SendOtp | None:
            wanted = (registration_id, sequence)
            return next((e for e in self.events if (e.challenge_id, e.sequence) == wanted), None)

        return self._wait(found)

    def code(self, registration_id: str, sequence: int = 1) -> str:
        """The code that the mail about this attempt would hold."""
        event = self.about(registration_id, sequence)
        return self.keys.code(
            event.kid, event.purpose, event.challenge_id, event.sequence, event.address
        )

    def link_token(self, recovery_id: str) -> str:
        """What the link in the mail about this recovery would hold."""
        event = self.about(recovery_id)
        return self.keys.link_token(
            event.kid, event.purpose, event.challenge_id, event.sequence, event.address
        )

    def to(self, address: str) -> list[SendOtp]:
        """Everything that was asked to be mailed to an address so far."""
        return [event for event in self.events if event.address == address]

    def all_to(self, address: str) -> list[SendOtp]:
        """Everything that was asked to be mailed to an address before this call."""
        produced = self._produced()
        deadline = time.monotonic() + WAIT_SECONDS
        with self._arrived:
            while len(self.events) < produced:
                left = deadline - time.monotonic()
                if left <= 0 or not self._arrived.wait(left):
                    raise AssertionError("send-otp could not be read to its end")
            return self.to(address)

    def _produced(self) -> int:
        topic = self._watcher.list_topics(self._topic, timeout=5).topics[self._topic]
        places = (
            confluent_kafka.TopicPartition(topic.topic, number) for number in topic.partitions
        )
        ends = [self._watcher.get_watermark_offsets(place, timeout=5)[1] for place in places]
        return int(sum(ends))

    def _wait(self, found: Callable[[], SendOtp | None]) -> SendOtp:
        deadline = time.monotonic() + WAIT_SECONDS
        with self._arrived:
            while (event := found()) is None:
                left = deadline - time.monotonic()
                if left <= 0 or not self._arrived.wait(left):
                    raise AssertionError("no such event on send-otp")
            return event

    def _read(self) -> None:
        while not self._stopping.is_set():
            message = self._consumer.poll(0.1)
            if message is None or message.error():
                continue
            with self._arrived:
                self.raw.append(message)
                self.events.append(msgspec.json.decode(message.value() or b"", type=SendOtp))
                self._arrived.notify_all()
