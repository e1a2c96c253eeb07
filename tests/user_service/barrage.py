"""Requests that reach the service in the same instant."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tests.service_process import ServiceProcess


@dataclass(frozen=True)
class Shot:
    path: str
    body: Mapping[str, Any]
    network: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Hit:
    """One answer; `code` is a refusal's, or empty."""

    status: int
    body: dict[str, Any]

    @property
    def code(self) -> str:
        return str(self.body.get("code", ""))


async def at_once(service: ServiceProcess, shots: Sequence[Shot]) -> list[Hit]:
    """Each on a connection of its own, all but the end of its head sent before any is let go."""
    barrier = asyncio.Barrier(len(shots))
    return list(await asyncio.gather(*(_fire(service, shot, barrier) for shot in shots)))


async def _fire(service: ServiceProcess, shot: Shot, barrier: asyncio.Barrier) -> Hit:
    body = msgspec.json.encode(shot.body)
    head = {
        "host": "localhost",
        "connection": "close",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "x-forwarded-for": shot.network,
        **shot.headers,
    }
    lines = [f"POST {shot.path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    try:
        writer.write("\r\n".join(lines).encode() + b"\r\n")
        await writer.drain()
        await barrier.wait()
        writer.write(b"\r\n" + body)
        answered_head, _, answered = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    return Hit(int(answered_head.split(b" ", 2)[1]), msgspec.json.decode(answered))
