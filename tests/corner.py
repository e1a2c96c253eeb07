"""A corner of the real parts that one xdist worker has for itself."""

from __future__ import annotations

import asyncio
import os
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import redis

from tests import forked

MASTER_KEY = "5f0c1d9be27a4836b1d27c40fae83957c6d2e1f04a7b8835906afd1c2e3b4857"
OTP_KEY = "9b2e7d10c4f85a63e1079cd4b82f5a6e3d90718c5b4f2ea6d7c80913fe5a4b26"


@dataclass(frozen=True)
class Corner:
    """`variables` is the environment that services of this corner are started with."""

    database_url: str
    redis_url: str
    topic_prefix: str
    variables: dict[str, str]

    @classmethod
    @contextmanager
    def made(cls, worker_id: str, parts: Mapping[str, str] = os.environ) -> Iterator[Corner]:
        """Make it in the parts that `parts` names, migrate it, and drop its database at the end."""
        number = int(re.sub(r"\D", "", worker_id) or 0)
        name = f"gatepost_{worker_id}"
        server = parts["DATABASE_URL"]
        asyncio.run(_admin(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        asyncio.run(_admin(server, f"CREATE DATABASE {name}"))
        redis_url = _with_path(parts["REDIS_URL"], f"/{number}")
        redis.Redis.from_url(redis_url).flushdb()
        prefix = f"{worker_id}-{os.getpid()}-"
        database_url = _with_path(server, f"/{name}")
        variables = _variables(database_url, redis_url, parts["KAFKA_BROKER"], prefix)
        corner = cls(database_url, redis_url, prefix, variables)
        _migrate(variables)
        yield corner
        asyncio.run(_admin(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))

    @contextmanager
    def beside(self, template: str = "template0", *, migrated: bool = False) -> Iterator[Corner]:
        """The same Redis number and topics, with a database of its own."""
        name = f"beside_{uuid.uuid4().hex}"
        asyncio.run(_admin(self.database_url, f"CREATE DATABASE {name} TEMPLATE {template}"))
        url = _with_path(self.database_url, f"/{name}")
        variables = self.variables | {"DATABASE_URL": url}
        if migrated:
            _migrate(variables)
        yield replace(self, database_url=url, variables=variables)
        asyncio.run(_admin(self.database_url, f"DROP DATABASE {name} WITH (FORCE)"))

    def rows(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """What a second connection sees."""
        return asyncio.run(self.fetch(query, *arguments))

    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.database_url)
        try:
            return await connection.fetch(query, *arguments)
        finally:
            await connection.close()


def _variables(database_url: str, redis_url: str, broker: str, prefix: str) -> dict[str, str]:
    return os.environ | {
        "ENVIRONMENT": "development",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "KAFKA_BROKER": broker,
        "KAFKA_TOPIC_PREFIX": prefix,
        "MASTER_KEY": MASTER_KEY,
        "OTP_KEYS": f"k1:{OTP_KEY}",
        "TRUSTED_PROXIES": "127.0.0.1/32",
        "ARGON2_MEMORY_KIB": "8",
        "ARGON2_TIME": "1",
        "PYTHONPATH": str(Path.cwd()),
    }


def _migrate(variables: dict[str, str]) -> None:
    done = forked.ran("user_service", "migrate", variables=variables)
    assert done.returncode == 0, done.stdout + done.stderr


def _with_path(url: str, path: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=path))


async def _admin(server: str, statement: str) -> None:
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
