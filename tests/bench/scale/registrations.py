"""What open registrations take in Redis, and what is left of them."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field

import redis

from tests.bench.bench import Bench
from tests.bench.registering import registration
from tests.bench.scale.town import Town
from tests.people import fresh_address, fresh_network
from tests.report import Figure, Section, Target
from tests.service_process import ServiceProcess
from tests.user_service.time_travel import DAY, MINUTE, let_pass

HELD = {
    "challenge": "the attempt: address, password hash, digest of the code, guesses",
    "mailed": "when codes were mailed to the address: its daily budget",
    "openings": "the address's attempts of a day: only a single one is verified without its id",
    "rate": "how often the network has asked",
}


@dataclass
class Kind:
    """Keys that begin alike; `seconds` is how long the last of them lives."""

    bytes: list[int] = field(default_factory=list)
    seconds: float = 0.0


def weigh(bench: Bench, section: Section, town: Town) -> None:
    many = bench.size.pick(500, 5_000)
    with redis.Redis.from_url(town.corner.redis_url) as connection:
        connection.flushdb()
        # With the limits as they are, and so with what they remember.
        with ServiceProcess.started(town.corner.variables, HASH_QUEUE="256") as service:
            asked = [_registration() for _ in range(many)]
            answers = bench.generator.all(service.url, asked, connections=8)
        accepted = sum(answer.status == 202 for answer in answers)
        kinds = _kinds(connection)
        opened = _bytes(connection) / accepted
        let_pass(town.corner, 31 * MINUTE)
        lapsed = _bytes(connection) / accepted
        let_pass(town.corner, DAY)
        forgotten = _bytes(connection) / accepted
    section.tell(
        f"{accepted:,} people registered, each from a network of their own, and gave no code."
    )
    section.figure(Figure("an open registration in Redis", opened, "bytes"))
    section.figure(Figure("the same after 31 minutes, when it has lapsed", lapsed, "bytes"))
    section.figure(Figure("the same a day later", forgotten, "bytes", Target(at_most=0)))
    rows = [_shown(name, kind, accepted) for name, kind in sorted(kinds.items())]
    columns = ("keys", "what for", "for a registration", "bytes of one", "kept for at most")
    section.table("What Redis holds of an open registration", columns, rows)


def _shown(name: str, kind: Kind, registrations: int) -> tuple[str, ...]:
    many, size = len(kind.bytes) / registrations, sum(kind.bytes) / len(kind.bytes)
    what = HELD.get(name.partition(":")[0], "")
    return (name, what, f"{many:.2g}", f"{size:.0f}", f"{kind.seconds / MINUTE:,.1f} min")


def _registration() -> bytes:
    return registration(fresh_address(), {"x-forwarded-for": fresh_network()})


def _kinds(connection: redis.Redis) -> dict[str, Kind]:
    """A key that never expires lives for ever, and is told so."""
    kinds: dict[str, Kind] = defaultdict(Kind)
    for key in connection.scan_iter(count=1000):
        left, size = connection.pttl(key), connection.memory_usage(key, samples=0)
        if size is None:
            continue  # expired meanwhile
        kind = kinds[":".join(key.decode().split(":")[:2])]
        kind.bytes.append(size)
        kind.seconds = max(kind.seconds, math.inf if left < 0 else left / 1000)
    return kinds


def _bytes(connection: redis.Redis) -> int:
    return sum(sum(kind.bytes) for kind in _kinds(connection).values())
