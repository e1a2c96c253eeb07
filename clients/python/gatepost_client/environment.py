"""Gatepost as environment variables describe it.

GATEPOST_ISSUER, GATEPOST_AUDIENCE, GATEPOST_BASE_URL, GATEPOST_ALLOW_HTTP, GATEPOST_WHEN_UNKNOWN,
GATEPOST_LONGEST_TOKEN_SECONDS; GATEPOST_KAFKA_BROKER, GATEPOST_KAFKA_TOPIC_PREFIX,
GATEPOST_LIFECYCLE_SOURCES, GATEPOST_MOST_BEHIND_SECONDS, GATEPOST_KAFKA_OPTIONS (a JSON object
for librdkafka);
GATEPOST_CLIENT_ID, GATEPOST_CLIENT_SECRET or GATEPOST_CLIENT_SECRET_FILE.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatepost_client.gatepost import Gatepost
from gatepost_client.introspection import Introspection

if TYPE_CHECKING:
    from gatepost_client.kafka import Kafka

DAY_SECONDS = "86400"


def from_environment(variables: Mapping[str, str] = os.environ) -> Gatepost:
    """Raises KeyError for a missing variable, ValueError for a wrong one."""
    given = {
        name: value.strip()
        for name, value in variables.items()
        if name.startswith("GATEPOST_") and value.strip()
    }
    when_unknown: Any = given.get("GATEPOST_WHEN_UNKNOWN", "refuse")
    return Gatepost(
        given["GATEPOST_ISSUER"],
        audience=given.get("GATEPOST_AUDIENCE", "gatepost"),
        kafka=_kafka(given),
        introspection=_introspection(given),
        when_unknown=when_unknown,
        longest_token=timedelta(
            seconds=int(given.get("GATEPOST_LONGEST_TOKEN_SECONDS", DAY_SECONDS))
        ),
        base_url=given.get("GATEPOST_BASE_URL"),
        allow_http=given.get("GATEPOST_ALLOW_HTTP", "").lower() == "true",
    )


def _kafka(given: Mapping[str, str]) -> Kafka | None:
    if "GATEPOST_KAFKA_BROKER" not in given:
        return None
    # Whoever does not name a broker need not have installed the extra.
    from gatepost_client.kafka import Kafka

    sources = given.get("GATEPOST_LIFECYCLE_SOURCES", "").split(",")
    return Kafka(
        given["GATEPOST_KAFKA_BROKER"],
        topic_prefix=given.get("GATEPOST_KAFKA_TOPIC_PREFIX", ""),
        lifecycle_sources=[source.strip() for source in sources if source.strip()],
        most_behind=float(given.get("GATEPOST_MOST_BEHIND_SECONDS", "2")),
        options=json.loads(given.get("GATEPOST_KAFKA_OPTIONS", "{}")),
    )


def _introspection(given: Mapping[str, str]) -> Introspection | None:
    if "GATEPOST_CLIENT_ID" not in given:
        return None
    secret = given.get("GATEPOST_CLIENT_SECRET")
    return Introspection(
        given["GATEPOST_CLIENT_ID"],
        secret or Path(given["GATEPOST_CLIENT_SECRET_FILE"]).read_text().strip(),
    )
