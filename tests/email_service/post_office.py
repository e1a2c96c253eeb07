"""A worker of the email service as the process it is, between a real Kafka and the stand-in."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import redis.asyncio
from msgspec import Struct

from dev_stack.mail_stand_in import MailStandIn, MailView
from dev_stack.ports import free_port
from shared.codes import OtpKeys
from shared.dead_letters.reading import DeadLetter, DeadLetters
from shared.events import Headers, SendNotice, SendOtp, encode, headers, new_id
from shared.kafka import KafkaConnection, Producer
from shared.topics import MAIL, SEND_NOTICE, SEND_OTP
from tests import forked
from tests.forked import Forked, Streams

KEY = "SG.the-right-key"
OTP_KEYS = "k1:not-guessable-but-only-a-test-00000001"
START_SECONDS = 20.0

Process = Forked | subprocess.Popen[bytes]
Start = Callable[[dict[str, str], Path], Process]


class Asked(Struct, frozen=True):
    """One mail that was asked for, with the code and the link token that it should hold."""

    event_id: str
    event: SendOtp
    code: str
    link_token: str


@dataclass
class Worker:
    process: Process
    probe: str
    log_path: Path

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.splitlines()]

    async def get(self, path: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.get(self.probe + path) as answer:
            return answer.status, await answer.text()

    async def shows(self, name: str, value: float) -> None:
        """Wait until a metric has a value; raises TimeoutError."""

        async def shown() -> bool:
            return await self.metric(name) == value

        await eventually(shown)

    async def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        _, text = await self.get("/metrics")
        return sum(float(n) for n in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))

    async def stop(self) -> int:
        self.process.terminate()
        return await asyncio.to_thread(self.process.wait, 20)

    async def kill(self) -> None:
        self.process.kill()
        await asyncio.to_thread(self.process.wait)


@dataclass
class PostOffice:
    connection: KafkaConnection
    redis_url: str
    sendgrid: MailStandIn
    producer: Producer
    folder: Path

    @property
    def variables(self) -> dict[str, str]:
        return os.environ | {
            "ENVIRONMENT": "development",
            "KAFKA_BROKER": self.connection.brokers,
            "KAFKA_TOPIC_PREFIX": self.connection.topic_prefix,
            "REDIS_URL": self.redis_url,
            "OTP_KEYS": OTP_KEYS,
            "SENDGRID_API_KEY": KEY,
            "SENDGRID_BASE_URL": self.sendgrid.url,
            "FROM_EMAIL": "hello@gatepost.test",
        }

    async def ask(
        self, address: str, *, lives: float = 600, event_id: str | None = None, **fields: Any
    ) -> Asked:
        """Produce one `send-otp` event whose code lives for `lives` seconds."""
        now = int(time.time() * 1000)
        event = SendOtp(
            **{
                "challenge_id": new_id(),
                "purpose": "register",
                "email": "one-time-code",
                "address": address,
                "sequence": 1,
                "kid": "k1",
                "issued_at": now,
                "expires_at": now + int(lives * 1000),
                **fields,
            }
        )
        event_id = event_id or new_id()
        await self.produce(encode(event), headers(event_id, "send-otp"), key=event.challenge_id)
        keys = OtpKeys.parse((OTP_KEYS,))
        challenge = ("k1", event.purpose, event.challenge_id, event.sequence, event.address)
        return Asked(event_id, event, keys.code(*challenge), keys.link_token(*challenge))

    async def ask_many(self, addresses: list[str], **fields: Any) -> list[Asked]:
        return await asyncio.gather(*(self.ask(address, **fields) for address in addresses))

    async def tell(
        self,
        email: str,
        address: str,
        facts: Mapping[str, str] = {},
        *,
        ago: float = 0,
        event_id: str | None = None,
    ) -> str:
        """Produce one `send-notice` event of `ago` seconds ago, and return its id."""
        occurred_at = datetime.now(UTC) - timedelta(seconds=ago)
        event = SendNotice(email=email, address=address, occurred_at=occurred_at, facts={**facts})
        event_id = event_id or new_id()
        await self.produce(
            encode(event),
            headers(event_id, SEND_NOTICE.name),
            key=address,
            topic=SEND_NOTICE.name,
        )
        return event_id

    async def produce(
        self,
        value: bytes | None,
        extra: Headers,
        *,
        key: str | None = None,
        topic: str = SEND_OTP.name,
    ) -> None:
        await self.producer.produce(self.connection.topic_prefix + topic, key, value, extra)

    def worker(self, **settings: str) -> AbstractAsyncContextManager[Worker]:
        """A running worker that answers its probe; it is stopped at the end."""
        return self._running(_forked, settings)

    def executed_worker(self, **settings: str) -> AbstractAsyncContextManager[Worker]:
        """A worker that is a Python of its own, where it matters how that begins and ends."""
        return self._running(_executed, settings)

    @asynccontextmanager
    async def _running(self, start: Start, settings: dict[str, str]) -> AsyncIterator[Worker]:
        port = free_port()
        log_path = self.folder / f"worker-{port}.log"
        variables = {**self.variables, "EMAIL_PROBE_PORT": str(port), **settings}
        worker = Worker(start(variables, log_path), f"http://127.0.0.1:{port}", log_path)
        try:
            await eventually(lambda: _answers(worker), START_SECONDS)
            yield worker
        finally:
            await worker.stop()

    async def command(self, *arguments: str, **settings: str) -> tuple[int, str, str]:
        """Exit code, output and errors of `python -m email_service …`."""
        variables = self.variables | {"COLUMNS": "200"} | settings
        command = partial(forked.ran, "email_service", *arguments, variables=variables)
        done = await asyncio.to_thread(command)
        return done.returncode, done.stdout, done.stderr

    async def dead_letters(self, count: int) -> list[DeadLetter]:
        """The dead letters, as soon as there are `count`."""
        client = redis.asyncio.Redis.from_url(self.redis_url)
        letters: list[DeadLetter] = []

        async def arrived() -> bool:
            letters[:] = await DeadLetters(self.connection, client, MAIL).waiting()
            return len(letters) >= count

        try:
            await eventually(arrived)
        finally:
            await client.aclose()
        return letters

    async def requests(self) -> int:
        """How many times the stand-in was asked to send, whatever it answered."""
        url = f"{self.sendgrid.url}/api/stats"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            stats: dict[str, int] = await answer.json()
        return stats["requests"]

    async def mail_to(self, address: str, seconds: float = 10) -> MailView:
        return MailView.of(await self.sendgrid.mailbox.wait_for(address, seconds))


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
    """Wait until `holds` is true; raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def _executed(variables: dict[str, str], log_path: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "email_service"]
    with log_path.open("wb") as log:
        return subprocess.Popen(command, env=variables, stdout=log, stderr=log)


def _forked(variables: dict[str, str], log_path: Path) -> Forked:
    log_path.touch()
    streams = Streams(Path(os.devnull), log_path, log_path)
    return Forked.started("email_service", [], variables, streams)


async def _answers(worker: Worker) -> bool:
    if worker.process.poll() is not None:
        raise AssertionError(f"the worker did not start:\n{worker.log}")
    try:
        status, _ = await worker.get("/health/live")
    except aiohttp.ClientError:
        return False
    return status == 200
