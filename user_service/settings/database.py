"""Where Postgres is: `DATABASE_URL`, or `DB_HOST` and its companions."""

from __future__ import annotations

import re
import ssl
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from shared.env import Environment


class PostgresConnection(Struct, frozen=True):
    url: str
    tls: bool = False
    ca_file: str = ""
    pool_size: int = 10

    @classmethod
    def read(cls, env: Environment) -> PostgresConnection:
        return cls(
            url=_url(env),
            tls=env.flag("DB_TLS", default=False),
            ca_file=env.file("DB_CA_FILE"),
            pool_size=env.integer("DB_POOL_SIZE", 10, least=1, most=1000),
        )

    def connect_options(self) -> dict[str, Any]:
        """Arguments that a pool and a single connection share; TLS verifies the certificate."""
        if not (self.tls or self.ca_file):
            return {"dsn": self.url}
        context = ssl.create_default_context(cafile=self.ca_file or None)
        return {"dsn": self.url, "ssl": context}


def _url(env: Environment) -> str:
    url = env.secret("DATABASE_URL", "")
    host = env.text("DB_HOST", "")
    port = env.integer("DB_PORT", 5432, least=1, most=65535)
    name, user = env.text("DB_NAME", "gatepost"), env.text("DB_USER", "gatepost")
    password = env.secret("DB_PASSWORD", "")
    if url and not url.startswith(("postgres://", "postgresql://")):
        env.problem("DATABASE_URL must start with postgresql://.")
    for place in _hosts(url):
        env.parts_of("DATABASE_URL", f"postgresql://{place}")
    if not url and not host:
        env.problem("DATABASE_URL (or DB_HOST, DB_NAME, DB_USER, DB_PASSWORD) is not set.")
    credentials = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    return url or f"postgresql://{credentials}@{host}:{port}/{quote(name, safe='')}"


def _hosts(url: str) -> list[str]:
    """Each host:port of a URL; Postgres takes several, which no URL parser knows."""
    authority = re.split("[/?#]", url.partition("://")[2])[0]
    return authority.rpartition("@")[2].split(",")
