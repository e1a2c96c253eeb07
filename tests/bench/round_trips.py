"""How often a request asks Postgres, Redis and Kafka, and waits for the answer."""

from __future__ import annotations

import statistics
import time

from tests.bench.bench import Bench
from tests.bench.operations import Asking
from tests.faults.house import House
from tests.report import Section

# What a request leaves behind, such as a connection given back, has been sent by then.
SETTLING_SECONDS = 0.03
WARM_UP, COUNTED = 4, 12
IDLE_SECONDS = 3.0
Trips = tuple[int, int, int]


def tell(bench: Bench, section: Section) -> None:
    """A table of whole numbers: what most of the requests took, one after the other."""
    bench.report.console.print("  round trips")
    with House.built("bench") as house:
        operations = Asking(bench.generator, house.corner, house.service).operations()
        rows = []
        for operation in operations:
            requests = operation.requests(WARM_UP + COUNTED)
            counted = [_trips(bench, house, request) for request in requests][WARM_UP:]
            usual = (statistics.mode(each) for each in zip(*counted, strict=True))
            rows.append((operation.name, *(str(trips) for trips in usual)))
        idle = _between(house, IDLE_SECONDS)
    rows.append(("nobody asks, a second", *(f"{trips / IDLE_SECONDS:.1f}" for trips in idle)))
    section.table("Round trips of one request", ("operation", "Postgres", "Redis", "Kafka"), rows)


def _trips(bench: Bench, house: House, request: bytes) -> Trips:
    before = _so_far(house)
    (answer,) = bench.generator.all(house.service.url, [request], connections=1)
    assert 200 <= answer.status < 300, answer
    time.sleep(SETTLING_SECONDS)
    return _since(house, before)


def _between(house: House, seconds: float) -> Trips:
    before = _so_far(house)
    time.sleep(seconds)
    return _since(house, before)


def _since(house: House, before: Trips) -> Trips:
    postgres, redis, kafka = (now - then for now, then in zip(_so_far(house), before, strict=True))
    return postgres, redis, kafka


def _so_far(house: House) -> Trips:
    wires = house.parts.postgres_wire, house.parts.redis_wire, house.parts.kafka_wire
    postgres, redis, kafka = (wire.round_trips for wire in wires)
    return postgres, redis, kafka
