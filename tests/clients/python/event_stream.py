"""Topics of one's own on the real Kafka, and what the user service or another writes to them."""

from __future__ import annotations

import asyncio
import os
import uuid
from datetime import UTC, datetime
from typing import Any

import confluent_kafka
import msgspec

from gatepost_client.kafka import Kafka
from shared import topics
from shared.events import SOURCE
from shared.kafka import KafkaConnection, create_topics

CRM = "crm.example.org"
TOPICS = [topics.SESSIONS_REVOKED, topics.USER_DEACTIVATED, topics.USER_DELETED]


class EventStream:
    """`prefix` is before each topic's name."""

    def __init__(self) -> None:
        self.brokers = os.environ["KAFKA_BROKER"]
        self.prefix = f"client-{uuid.uuid4().hex}-"
        asyncio.run(create_topics(KafkaConnection(self.brokers, topic_prefix=self.prefix), TOPICS))
        self.client = confluent_kafka.Producer({"bootstrap.servers": self.brokers, "linger.ms": 0})

    @property
    def kafka(self) -> Kafka:
        """How a client follows it; a busy machine may hold it up where that is not the subject."""
        return Kafka(
            self.brokers, topic_prefix=self.prefix, lifecycle_sources=[CRM], most_behind=20.0
        )

    def end_sessions(self, *sessions: str, at: datetime | None = None, **more: Any) -> None:
        event = {"session_ids": sessions, "revoked_at": _told(at), "user_id": str(uuid.uuid4())}
        self.tell("sessions_revoked", event, **more)

    def end_many(self, many: int) -> None:
        """So many sessions of nobody, an event for each, in one partition."""
        headers: dict[str, str | bytes | None] = {"ce_source": SOURCE}
        for _ in range(many):
            event = {"session_ids": [str(uuid.uuid4())], "revoked_at": _told(None)}
            self.client.produce(
                self.prefix + "sessions_revoked",
                msgspec.json.encode(event),
                headers=headers,
                partition=0,
            )
            self.client.poll(0)
        assert self.client.flush(30) == 0

    def deactivate(self, user: str, *, at: datetime | None = None, **more: Any) -> None:
        self.tell("user_deactivated", {"user_id": user, "deactivated_at": _told(at)}, **more)

    def delete(self, user: str) -> None:
        self.tell("user_deleted", {"user_id": user, "deleted_at": _told(None)})

    def tell(
        self,
        topic: str,
        event: object,
        *,
        source: str | None = SOURCE,
        time: str | None = None,
        **place: Any,
    ) -> None:
        """Return when the broker holds it; `place` may name a partition or a timestamp in ms."""
        headers = {"ce_id": str(uuid.uuid4()), "ce_source": source, "ce_time": time or _told(None)}
        self.client.produce(
            self.prefix + topic,
            event if isinstance(event, bytes) else msgspec.json.encode(event),
            headers=[(name, value) for name, value in headers.items() if value is not None],
            **place,
        )
        assert self.client.flush(10) == 0


def _told(at: datetime | None) -> str:
    return (at or datetime.now(UTC)).isoformat()
