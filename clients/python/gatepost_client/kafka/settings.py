"""Where the events are, and whose words count."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from gatepost_client.kafka.follower import Follower
from gatepost_client.kafka.records import SERVICE, Reader
from gatepost_client.kafka.watermarks import Config
from gatepost_client.revocations import Revocations


@dataclass(frozen=True, slots=True)
class Kafka:
    """`options` go to librdkafka as they are: `security.protocol`, `sasl.…`, `ssl.…`.

    `topic_prefix` and `lifecycle_sources` must be what the service has as KAFKA_TOPIC_PREFIX and
    LIFECYCLE_SOURCES: it honours other services' `user_deactivated` and does not send them out
    again. Knowledge that is more than `most_behind` seconds old counts as none.
    """

    brokers: str
    topic_prefix: str = ""
    lifecycle_sources: Collection[str] = ()
    most_behind: float = 2.0
    options: Mapping[str, str | int | float | bool] = field(default_factory=dict, repr=False)

    def follower(self, revocations: Revocations, longest: float) -> Follower:
        """`longest` is the life of a token in seconds: events of so long ago are read at start."""
        reader = Reader(self.topic_prefix, frozenset({SERVICE, *self.lifecycle_sources}))
        return Follower(self._config(), reader, revocations, longest, self.most_behind)

    def _config(self) -> Config:
        return {
            "bootstrap.servers": self.brokers,
            # A broker that comes back, or a wire that hangs, must be found within seconds.
            "reconnect.backoff.ms": 100,
            "reconnect.backoff.max.ms": 1000,
            "socket.connection.setup.timeout.ms": 3000,
            "socket.timeout.ms": 5000,
            # Nothing on standard error: what matters is logged by us.
            "log_level": 0,
            **self.options,
        }
