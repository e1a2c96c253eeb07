"""Another service, which tells what has happened to its users."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import confluent_kafka
import msgspec

from tests.corner import Corner
from tests.worker_process import WorkerProcess

SOURCE = "crm.example.org"
OTHER_SOURCE = "billing.example.org"
STRANGER = "somebody/else"
OUTCOMES = "gatepost_foreign_events_total"


@dataclass(frozen=True)
class Neighbour:
    client: confluent_kafka.Producer
    prefix: str

    @classmethod
    @contextmanager
    def of(cls, corner: Corner) -> Iterator[Neighbour]:
        neighbour = cls(
            confluent_kafka.Producer(
                {
                    "bootstrap.servers": corner.variables["KAFKA_BROKER"],
                    "message.max.bytes": 2 * 2**20,
                }
            ),
            corner.topic_prefix,
        )
        yield neighbour
        neighbour.arrive()

    def rename(self, user_id: str, name: Any, **more: Any) -> None:
        self.tell("user_updated", {"user_id": user_id, "name": name}, **more)

    def deactivate(self, user_id: str, **more: Any) -> None:
        self.tell("user_deactivated", {"user_id": user_id}, **more)

    def tell(self, topic: str, event: Any, **more: Any) -> None:
        """A CloudEvent from this service of this moment, unless `more` says otherwise."""
        key = event["user_id"] if isinstance(event, dict) else None
        self.send(topic, msgspec.json.encode(event), headers(**more), key=key)

    def send(
        self,
        topic: str,
        value: bytes | None,
        headers: list[tuple[str, bytes | str | None]],
        *,
        key: str | None = None,
    ) -> None:
        self.client.produce(self.prefix + topic, value, key, headers=headers)
        self.client.poll(0)

    def arrive(self) -> None:
        """Wait until the brokers hold all of it."""
        assert self.client.flush(10) == 0


def headers(
    *, source: str = SOURCE, id: str | None = None, at: datetime | None = None
) -> list[tuple[str, bytes | str | None]]:
    return [
        ("ce_specversion", "1.0"),
        ("ce_id", id or str(uuid.uuid4())),
        ("ce_source", source),
        ("ce_time", (at or datetime.now(UTC)).isoformat()),
    ]


@dataclass(frozen=True)
class Decisions:
    """How many events the worker has decided in some way, since this was made."""

    worker: WorkerProcess
    outcome: str
    before: float

    @classmethod
    def of(cls, worker: WorkerProcess, outcome: str) -> Decisions:
        return cls(worker, outcome, worker.metric(OUTCOMES, outcome=outcome))

    async def reach(self, many: int, within: float = 20, *, exactly: bool = True) -> None:
        deadline = time.monotonic() + within
        while self.count < many:
            assert time.monotonic() < deadline, f"{self.count} of {many}: {self.worker.log[-2000:]}"
            await asyncio.sleep(0.02)
        assert self.count == many or not exactly

    @property
    def count(self) -> float:
        return self.worker.metric(OUTCOMES, outcome=self.outcome) - self.before
