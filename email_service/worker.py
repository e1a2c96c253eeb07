"""The daemon: everything is opened here once, runs until SIGTERM, and is closed in good order."""

from __future__ import annotations

import os
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
from shared.kafka import Consumer, KafkaUnavailable, Producer, consume_until
from shared.probe import Probe
from shared.stopping import stop_on_signals
from shared.topics import MAIL

GROUP = "email-service"
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
        farewell = await consume_until(stop_on_signals(), consumer)
    if not farewell:
        # The thread that still waits for hung brokers would hold every further step.
        os._exit(0)


def open_sender(settings: Settings) -> Sender:
    if settings.sendgrid:
        return SendGrid(settings.sendgrid, settings.originator, settings.concurrency)
    if settings.smtp:
        return Smtp(settings.smtp, settings.originator)
    return Console()


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
