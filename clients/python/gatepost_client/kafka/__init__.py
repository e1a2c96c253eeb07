"""Following what ends sessions on Kafka; needs the extra `kafka`."""

from gatepost_client.kafka.settings import Kafka

__all__ = ["Kafka"]
