"""The daemon: everything is opened here once, runs until SIGTERM, and is closed in good order."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from email_service.delivered import Delivered
from email_service.delivery import Delivery
from email_service.metrics import Metrics
from email_service.render import Renderer
from email_service.retry import Turnstile
from email_service.senders.console import Console
from email_service.senders.sender import Sender
from email_service.senders.sendgrid_api import SendGrid
from email_service.senders.smtp import Smtp
from email_service.settings import Settings
from shared.kafka import Consumer, KafkaUnavailable, Producer
from shared.probe import Probe
from shared.topics import MAIL

GROUP = "email-service"
DRAIN_SECONDS = 10.5
# Brokers that hang could hold the last commit for a minute.
FAREWELL_SECONDS = 3.0
FLUSH_SECONDS = 1.0

log = structlog.get_logger()


async def run(settings: Settings) -> None:
    """Send mail until SIGTERM or SIGINT."""
    async with AsyncExitStack() as stack:
        redis = settings.redis.open(connections=10)
        stack.push_async_callback(redis.aclose)
        sender = open_sender(settings)
        stack.push_async_callback(sender.close)
        producer = Producer(settings.kafka)
        producer.start()
        stack.push_async_callback(producer.close, FLUSH_SECONDS)

        delivery = Delivery(
            keys=settings.otp_keys,
            renderer=Renderer(settings.brand),
            sender=sender,
            delivered=Delivered(redis),
            producer=producer,
            turnstile=Turnstile(settings.concurrency),
            metrics=Metrics(),
        )
        consumer = Consumer(settings.kafka, group=GROUP, topics=MAIL, handle=delivery.handle)
        probe = _probe(settings, delivery, consumer, redis)
        port = await stack.enter_async_context(
            probe.serve(settings.probe_host, settings.probe_port)
        )
        log.info("started", sender=settings.sender, probe_port=port)
        farewell = await _consume(consumer)
    if not farewell:
        # The thread that still waits for hung brokers would hold every further step.
        os._exit(0)


def open_sender(settings: Settings) -> Sender:
    if settings.sendgrid:
        return SendGrid(settings.sendgrid, settings.originator, settings.concurrency)
    if settings.smtp:
        return Smtp(settings.smtp, settings.originator)
    return Console()


async def _consume(consumer: Consumer) -> bool:
    """Returns whether the group could be left in good order."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)

    consuming = asyncio.create_task(consumer.run())
    asked = asyncio.create_task(stopping.wait())
    await asyncio.wait({consuming, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    consumer.stop()
    log.info("stopping", in_flight=consumer.undecided)
    drained_by = loop.time() + DRAIN_SECONDS
    while consumer.undecided and not consuming.done() and loop.time() < drained_by:
        await asyncio.wait({consuming}, timeout=0.05)
    await asyncio.wait({consuming}, timeout=FAREWELL_SECONDS)
    if not consuming.done():
        log.warning("left_without_farewell", undecided=consumer.undecided)
        return False
    await consuming
    log.info("stopped")
    return True


def _probe(settings: Settings, delivery: Delivery, consumer: Consumer, redis: Redis) -> Probe:
    turnstile = delivery.turnstile

    async def kafka() -> str | None:
        try:
            await delivery.producer.ping()
        except KafkaUnavailable as error:
            return str(error)
        return None

    async def marks() -> str | None:
        try:
            await redis.ping()
        except (RedisError, OSError) as error:
            return f"{error or type(error).__name__}: mail goes on without de-duplication"
        return None

    async def key() -> str | None:
        return "the provider refuses our key" if turnstile.key_refused else None

    delivery.metrics.watch(
        undecided=lambda: consumer.undecided,
        lag=lambda: consumer.lag,
        key_refused=lambda: turnstile.key_refused,
    )
    return Probe(
        parts={"kafka": kafka, "redis": marks, "sender": key},
        needed=frozenset({"kafka", "sender"}),
        registry=delivery.metrics.registry,
        metrics_token=settings.metrics_token,
        development=settings.development,
    )
