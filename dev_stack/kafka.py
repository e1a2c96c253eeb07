"""Apache Kafka as one KRaft node, broker and controller, from Maven's jars."""

from __future__ import annotations

import base64
import subprocess
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from dev_stack import kafka_jars
from dev_stack.part import Part, PartFailed
from dev_stack.ports import answers, free_port

# The broker's start-up is all class loading: the second compiler would not pay for itself.
JAVA = ["java", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]


@dataclass(frozen=True)
class ProxiedListener:
    """A second listener on `port` for clients that come through a proxy on `advertised_port`.

    Clients follow the advertised address, so a proxy before the ordinary listener is bypassed.
    """

    port: int
    advertised_port: int


def start(
    home: Path,
    *,
    port: int | None = None,
    proxied: ProxiedListener | None = None,
    say: Callable[[str], None] = print,
) -> Part:
    """Start a broker that keeps its data under `home`; raises NoKafka or PartFailed."""
    jars = kafka_jars.directory(say)
    port = port or free_port()
    data = home / "kafka"
    data.mkdir(parents=True, exist_ok=True)
    properties = data / "server.properties"
    properties.write_text(_properties(data / "log", port, free_port(), proxied))
    if not (data / "log" / "meta.properties").exists():
        _format(jars, properties)
    part = Part(
        name="Kafka",
        command=_command(jars, "kafka.Kafka", str(properties)),
        log=home / "logs" / "kafka.log",
        ready=_lists_topics,
        port=port,
        url=f"127.0.0.1:{port}",
    )
    part.start()
    return part


def _command(jars: Path, program: str, *arguments: str) -> list[str]:
    logging = "-Dorg.apache.logging.log4j.level=INFO"
    return [*JAVA, logging, "-cp", f"{jars}/*", program, *arguments]


def _properties(data: Path, port: int, controller: int, proxied: ProxiedListener | None) -> str:
    listeners = [f"CLIENTS://127.0.0.1:{port}"]
    advertised = listeners.copy()
    if proxied:
        listeners.append(f"PROXIED://127.0.0.1:{proxied.port}")
        advertised.append(f"PROXIED://127.0.0.1:{proxied.advertised_port}")
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        # A fixed quorum is read from here at each start, so the controller may change its port.
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": ",".join([*listeners, f"CONTROLLER://127.0.0.1:{controller}"]),
        "advertised.listeners": ",".join(advertised),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "CLIENTS",
        "listener.security.protocol.map": (
            "CLIENTS:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT"
        ),
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        # A killed broker may register again only after its old session has ended.
        "broker.session.timeout.ms": "2000",
        "broker.heartbeat.interval.ms": "400",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def _format(jars: Path, properties: Path) -> None:
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    tool = _command(jars, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}")
    done = subprocess.run(
        [*tool, "-c", str(properties)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise PartFailed(f"Kafka's storage could not be formatted:\n{done.stdout}{done.stderr}")


def _lists_topics(part: Part) -> bool:
    if not answers(part.port):
        return False
    try:
        client = AdminClient({"bootstrap.servers": part.url, "log_level": 0})
        return bool(client.list_topics(timeout=1).brokers)
    except KafkaException:
        return False
