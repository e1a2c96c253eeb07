"""librdkafka's mock broker as a process: good for a first look where there is no Java.

It keeps the newest 5 MiB of each partition, in memory only. Run as
`python -m dev_stack.kafka_mock PORT_FILE`; it writes its pid and port into that file.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from confluent_kafka import Producer

from dev_stack.part import REPOSITORY, Part
from shared import topics

WARNING = (
    "WARNING: instead of Kafka this runs librdkafka's mock broker. It keeps only the newest 5 MiB "
    "of each partition, and nothing on disk: fine for a first look, wrong for everything else."
)


def start(home: Path) -> Part:
    """Start the mock on a port of its own choice, another one at every start."""
    home.mkdir(parents=True, exist_ok=True)
    port_file = home / "kafka-mock.port"

    def ready(part: Part) -> bool:
        pid, _, port = port_file.read_text().partition(" ") if port_file.exists() else ("", "", "")
        if pid != str(part.pid):
            return False
        part.port, part.url = int(port), f"127.0.0.1:{port}"
        return True

    part = Part(
        name="Kafka (mock)",
        command=[sys.executable, "-m", "dev_stack.kafka_mock", str(port_file.resolve())],
        directory=REPOSITORY,
        log=home / "logs" / "kafka.log",
        ready=ready,
        port=0,
    )
    part.start()
    return part


def main() -> None:
    client = Producer({"test.mock.num.brokers": 1})
    (broker,) = client.list_topics(timeout=5).brokers.values()
    # It cannot be asked to create topics: it creates those that metadata is asked for.
    for topic in topics.ALL:
        client.list_topics(topic.name, timeout=5)
    port_file = Path(sys.argv[1])
    written = port_file.with_suffix(".new")
    written.write_text(f"{os.getpid()} {broker.port}")
    written.rename(port_file)
    signal.pause()


if __name__ == "__main__":
    main()
