"""Where the brokers are and how to prove who we are, for every kind of client."""

from __future__ import annotations

from msgspec import Struct

from shared.env import Environment
from shared.topics import Topic

ClientConfig = dict[str, str | int | float | bool]


class KafkaUnavailable(Exception):
    """The brokers did not take a message. `certain` is False when they may have it after all."""

    def __init__(self, reason: str, *, certain: bool) -> None:
        super().__init__(reason)
        self.certain = certain


class KafkaConnection(Struct, frozen=True):
    brokers: str
    protocol: str = "PLAINTEXT"
    mechanism: str = ""
    username: str = ""
    password: str = ""
    ca_file: str = ""
    topic_prefix: str = ""
    replication: int = 1

    @classmethod
    def read(cls, env: Environment) -> KafkaConnection:
        protocols = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
        protocol = env.choice("KAFKA_SECURITY_PROTOCOL", protocols, "PLAINTEXT")
        sasl = protocol.startswith("SASL")
        mechanisms = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
        return cls(
            brokers=env.text("KAFKA_BROKER"),
            protocol=protocol,
            mechanism=env.choice("KAFKA_SASL_MECHANISM", mechanisms, "SCRAM-SHA-512"),
            username=env.text("KAFKA_USERNAME", None if sasl else ""),
            password=env.secret("KAFKA_PASSWORD", None if sasl else ""),
            ca_file=env.file("KAFKA_CA_FILE"),
            topic_prefix=env.text("KAFKA_TOPIC_PREFIX", ""),
            replication=env.integer("KAFKA_REPLICATION", 1, least=1, most=9),
        )

    def topic_name(self, topic: Topic) -> str:
        return self.topic_prefix + topic.name

    def client_config(self) -> ClientConfig:
        """librdkafka's settings that a producer, a consumer and an admin client share."""
        config: ClientConfig = {
            "bootstrap.servers": self.brokers,
            "security.protocol": self.protocol,
            # A broker that comes back must be found within the seconds that recovery may take.
            "reconnect.backoff.ms": 100,
            "reconnect.backoff.max.ms": 1000,
            "socket.connection.setup.timeout.ms": 3000,
            # What a broker has swallowed while it hung is asked again after this, not a minute.
            "socket.timeout.ms": 10_000,
            "log_level": 3,
        }
        if self.protocol.startswith("SASL"):
            config |= {
                "sasl.mechanism": self.mechanism,
                "sasl.username": self.username,
                "sasl.password": self.password,
            }
        if self.ca_file:
            config["ssl.ca.location"] = self.ca_file
        return config
