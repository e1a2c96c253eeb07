"""Connecting to Redis or Valkey with bounded waits everywhere."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import redis.asyncio
from msgspec import Struct
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionLost

from shared.env import Environment

OPERATION_SECONDS = 1.0


class _NoticesLoss:
    """What redis-py overlooks when it takes a connection from the pool.

    A reset leaves no end of file in the reader, but an exception; and an end of file passes for a
    notification of the server's.
    """

    async def can_read(self) -> bool:
        reader = self._reader  # type: ignore[attr-defined]
        if reader is not None and (reader.exception() is not None or reader.at_eof()):
            raise ConnectionLost("lost while idle")  # the pool connects again
        return bool(await super().can_read())  # type: ignore[misc]

    async def send_packed_command(self, *arguments: Any, **more: Any) -> None:
        try:
            await super().send_packed_command(*arguments, **more)  # type: ignore[misc]
        except RuntimeError as error:  # uvloop's word for a closed transport
            raise ConnectionLost(str(error)) from error


class _Plain(_NoticesLoss, redis.asyncio.Connection):
    pass


class _Tls(_NoticesLoss, redis.asyncio.SSLConnection):
    pass


class RedisConnection(Struct, frozen=True):
    url: str
    ca_file: str = ""

    @classmethod
    def read(cls, env: Environment) -> RedisConnection:
        """`REDIS_URL`, or `REDIS_HOST` with its companions; `rediss://` speaks TLS."""
        return cls(url=_url(env), ca_file=env.file("REDIS_CA_FILE"))

    def open(self, *, connections: int = 50) -> redis.asyncio.Redis:
        """A client whose every step, the wait for a free connection included, takes 1 s at most.

        No client retries: a second try would double the wait, and a script may have run.
        """
        tls = {"ssl_ca_certs": self.ca_file} if self.ca_file else {}
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            self.url,
            max_connections=connections,
            timeout=OPERATION_SECONDS,
            socket_timeout=OPERATION_SECONDS,
            socket_connect_timeout=OPERATION_SECONDS,
            retry=Retry(NoBackoff(), 0),
            **tls,
        )
        pool.connection_class = _Tls if self.url.startswith("rediss:") else _Plain
        return redis.asyncio.Redis.from_pool(pool)


def _url(env: Environment) -> str:
    url = env.secret("REDIS_URL", "")
    host = env.text("REDIS_HOST", "")
    password = env.secret("REDIS_PASSWORD", "")
    port = env.integer("REDIS_PORT", 6379, least=1, most=65535)
    if url and env.parts_of("REDIS_URL", url).scheme not in ("redis", "rediss"):
        env.problem("REDIS_URL must start with redis:// or rediss://.")
    if not url and not host:
        env.problem("REDIS_URL (or REDIS_HOST and REDIS_PORT) is not set.")
    credentials = f":{quote(password, safe='')}@" if password else ""
    return url or f"redis://{credentials}{host}:{port}/0"
