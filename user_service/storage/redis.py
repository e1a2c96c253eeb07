"""Redis scripts and commands with one time limit and one breaker for all."""

from __future__ import annotations

import asyncio
from hashlib import sha1
from pathlib import Path
from typing import Any

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    MaxConnectionsError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from shared.redis import OPERATION_SECONDS, RedisConnection
from user_service.storage.breaker import Breaker

Argument = str | bytes | int | float

# Answers of a server that is there but cannot do its work, and such as its client has no class for.
OUTAGES = (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    MaxConnectionsError,
    OutOfMemoryError,
    ReadOnlyError,
)
OUTAGE_WORDS = {"BUSY", "MISCONF", "NOREPLICAS"}


class Script:
    """A Lua file, run atomically by the server."""

    def __init__(self, path: Path) -> None:
        self.source = path.read_text("utf-8")
        self.sha = sha1(self.source.encode(), usedforsecurity=False).hexdigest()


class RedisStore:
    """Runs scripts and commands; raises Unavailable when Redis cannot be used."""

    def __init__(self, connection: RedisConnection) -> None:
        self._client = connection.open()
        self.breaker = Breaker("redis", self._write)

    async def run(self, script: Script, keys: list[str], *arguments: Argument) -> Any:
        """The script's answer, with strings as bytes."""
        try:
            return await self._execute("EVALSHA", script.sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return await self._execute("EVAL", script.source, len(keys), *keys, *arguments)

    async def command(self, *words: Argument) -> Any:
        return await self._execute(*words)

    async def _write(self) -> None:
        """A server that is full, or a replica, still answers a PING."""
        await self._client.set("probe", "", px=1)

    async def weakness(self) -> str | None:
        """Why a crash of Redis could lose what it has acknowledged, or None when it could not."""
        persistence = await self.command("INFO", "persistence")
        memory = await self.command("INFO", "memory")
        if not persistence.get("aof_enabled"):
            return "appendonly is off: a crash loses open registrations and counts"
        if memory.get("maxmemory") and memory.get("maxmemory_policy") != "noeviction":
            return "maxmemory-policy is not noeviction: registrations may be evicted"
        return None

    async def close(self) -> None:
        await self.breaker.close()
        await self._client.aclose()

    async def _execute(self, *words: Argument) -> Any:
        self.breaker.require_closed()
        try:
            async with asyncio.timeout(OPERATION_SECONDS):
                answer = await self._client.execute_command(*words)  # type: ignore[no-untyped-call]
        except NoScriptError:
            raise
        except (RedisError, OSError, TimeoutError) as error:
            if not _is_outage(error):
                raise  # a fault of ours
            raise self.breaker.failed(error) from error
        self.breaker.succeeded()
        return answer


def _is_outage(error: Exception) -> bool:
    if not isinstance(error, ResponseError) or isinstance(error, OUTAGES):
        return True
    return str(error).partition(" ")[0] in OUTAGE_WORDS
