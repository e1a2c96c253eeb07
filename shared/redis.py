"""Connecting to Redis or Valkey with bounded waits everywhere."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import redis.asyncio
from msgspec import Struct
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from shared.env import Environment

OPERATION_SECONDS = 1.0


class RedisConnection(Struct, frozen=True):
    url: str
    ca_file: str = ""

    @classmethod
    def read(cls, env: Environment) -> RedisConnection:
        """`REDIS_URL`, or `REDIS_HOST` with its companions; `rediss://` speaks TLS."""
        return cls(url=_url(env), ca_file=env.text("REDIS_CA_FILE", ""))

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
        return redis.asyncio.Redis.from_pool(pool)


def _url(env: Environment) -> str:
    url = env.secret("REDIS_URL", "")
    host = env.text("REDIS_HOST", "")
    password = env.secret("REDIS_PASSWORD", "")
    port = env.integer("REDIS_PORT", 6379, least=1, most=65535)
    if url and urlsplit(url).scheme not in ("redis", "rediss"):
        env.problem("REDIS_URL must start with redis:// or rediss://.")
    if not url and not host:
        env.problem("REDIS_URL (or REDIS_HOST and REDIS_PORT) is not set.")
    credentials = f":{quote(password, safe='')}@" if password else ""
    return url or f"redis://{credentials}{host}:{port}/0"
