"""Starts whichever of Postgres, Valkey and Kafka no environment variable names.

For tests, disposable and fast (no fsync, in memory where there is room), from a session fixture:

    with parts.disposable() as stack:
        os.environ.update(stack.variables)   # DATABASE_URL, REDIS_URL, KAFKA_BROKER
        stack.kafka.freeze()                 # None when KAFKA_BROKER named another one

For `make run`, durable: `with parts.durable(Path(".stack")) as stack`.

A test that hurts a part owns that part, on data of its own:

    redis = valkey.start(home)               # also postgres.start, kafka.start(home, proxied=...)
    redis.pid, redis.port, redis.url
    redis.kill(); redis.start()              # kill -9, then the same port and data again
    redis.freeze(); redis.thaw()             # SIGSTOP and SIGCONT, children included
    redis.stop()

All calls block (`anyio.to_thread.run_sync` where that matters) and may come from any thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dev_stack import kafka, kafka_mock, postgres, valkey
from dev_stack.kafka_jars import NoKafka
from dev_stack.part import Part
from dev_stack.unprivileged import temporary_home

# In the order in which they start to be needed.
NAMED_BY = {
    "DATABASE_URL": ("DATABASE_URL", "DATABASE_URL_FILE", "DB_HOST"),
    "REDIS_URL": ("REDIS_URL", "REDIS_URL_FILE", "REDIS_HOST"),
    "KAFKA_BROKER": ("KAFKA_BROKER",),
}

Say = Callable[[str], None]


@dataclass(frozen=True)
class Stack:
    """The parts that were started, by the variable that names them to clients.

    A part that the environment names already is somebody else's: it is None here.
    """

    parts: dict[str, Part]

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables by which clients find what was started."""
        return {variable: part.url for variable, part in self.parts.items()}

    @property
    def postgres(self) -> Part | None:
        return self.parts.get("DATABASE_URL")

    @property
    def valkey(self) -> Part | None:
        return self.parts.get("REDIS_URL")

    @property
    def kafka(self) -> Part | None:
        return self.parts.get("KAFKA_BROKER")

    def stop(self) -> None:
        """Stop in good order: Kafka, Valkey, Postgres."""
        for variable in reversed(NAMED_BY):
            if part := self.parts.get(variable):
                part.stop()


@contextmanager
def durable(home: Path, say: Say = print) -> Iterator[Stack]:
    """Parts that keep their data under `home` and are stopped in good order.

    `say` is told of slow steps and of what is missing. Raises PartFailed and NoKafka.
    """
    stack = _start(home, say, durable=True)
    try:
        yield stack
    finally:
        stack.stop()


@contextmanager
def disposable(say: Say = print) -> Iterator[Stack]:
    """Parts whose data is deleted at the end."""
    with temporary_home() as home:
        stack = _start(home, say, durable=False)
        try:
            yield stack
        finally:
            # Its good order takes a second, and nobody wants its data.
            if stack.kafka:
                stack.kafka.kill()
            stack.stop()


def _start(home: Path, say: Say, *, durable: bool) -> Stack:
    starters: dict[str, Callable[[], Part]] = {
        "DATABASE_URL": partial(postgres.start, home, durable=durable),
        "REDIS_URL": partial(valkey.start, home),
        "KAFKA_BROKER": partial(_start_kafka, home, say),
    }
    unnamed = [variable for variable in starters if not _is_named(variable)]
    starts: dict[str, Future[Part]] = {}
    try:
        with ThreadPoolExecutor() as pool:
            for variable in unnamed:
                starts[variable] = pool.submit(starters[variable])
        return Stack({variable: start.result() for variable, start in starts.items()})
    except BaseException:  # a Ctrl-C too
        came_up = {name: each.result() for name, each in starts.items() if not each.exception()}
        Stack(came_up).stop()
        raise


def _is_named(variable: str) -> bool:
    return any(os.environ.get(name, "").strip() for name in NAMED_BY[variable])


def _start_kafka(home: Path, say: Say) -> Part:
    try:
        return kafka.start(home, say=say)
    except NoKafka as reason:
        if os.environ.get("CI") == "true":
            raise
        say(f"{kafka_mock.WARNING}\nWhy: {reason}.")
        return kafka_mock.start(home)
