"""Postgres, Redis and Kafka of one's own, to be hurt, with a proxy before each."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dev_stack import kafka, postgres, valkey
from dev_stack.part import Part
from dev_stack.ports import free_port
from dev_stack.unprivileged import temporary_home
from tests.corner import Corner
from tests.proxy import Proxy

PartName = Literal["postgres", "redis", "kafka"]


@dataclass(frozen=True)
class WiredParts:
    """`home` is the folder of their data, deleted at the end."""

    home: Path
    postgres: Part
    redis: Part
    kafka: Part
    postgres_wire: Proxy
    redis_wire: Proxy
    kafka_wire: Proxy

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[WiredParts]:
        with ExitStack() as stack:
            home = stack.enter_context(temporary_home())
            listener = free_port()
            kafka_wire = stack.enter_context(Proxy.before(listener))
            proxied = kafka.ProxiedListener(listener, kafka_wire.port)
            with ThreadPoolExecutor() as pool:
                starts = (
                    pool.submit(postgres.start, home),
                    pool.submit(valkey.start, home),
                    pool.submit(kafka.start, home, proxied=proxied),
                )
            parts = [start.result() for start in starts]
            for part in parts:
                stack.callback(part.kill)
            database, store, broker = parts
            postgres_wire = stack.enter_context(Proxy.before(database.port))
            redis_wire = stack.enter_context(Proxy.before(store.port))
            yield cls(home, database, store, broker, postgres_wire, redis_wire, kafka_wire)

    def part(self, name: PartName) -> Part:
        return {"postgres": self.postgres, "redis": self.redis, "kafka": self.kafka}[name]

    def wire(self, name: PartName) -> Proxy:
        """The one before it."""
        wires = {
            "postgres": self.postgres_wire,
            "redis": self.redis_wire,
            "kafka": self.kafka_wire,
        }
        return wires[name]

    def make_whole(self) -> None:
        """Let every wire pass and every part run again; raises PartFailed."""
        for wire in (self.postgres_wire, self.redis_wire, self.kafka_wire):
            wire.let_pass()
        for part in (self.postgres, self.redis, self.kafka):
            if part.running:
                part.thaw()
            else:
                part.start()

    @property
    def urls(self) -> dict[str, str]:
        """Where they are reached past the wires."""
        parts = {"DATABASE_URL": self.postgres, "REDIS_URL": self.redis, "KAFKA_BROKER": self.kafka}
        return {name: part.url for name, part in parts.items()}

    def behind_wires(self, corner: Corner) -> dict[str, str]:
        """The variables by which services reach a corner of them through the wires."""
        return {
            "DATABASE_URL": self.postgres_wire.url(corner.database_url),
            "REDIS_URL": self.redis_wire.url(corner.redis_url),
            "KAFKA_BROKER": f"127.0.0.1:{self.kafka_wire.port}",
        }
