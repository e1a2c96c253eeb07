"""The way of one message: read, seen before?, render, send; then delivered, or a dead letter.

A turn is held from the request to the mark, so that a crash doubles no more mails than there are
turns. Every wait happens outside of it and inside `assignment.waiting()`, so that one stuck
recipient delays nobody, nor a rebalance, nor a stop.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import structlog

from email_service.delivered import Delivered, MarksUnavailable
from email_service.metrics import Metrics
from email_service.orders import Malformed, Order, read_order
from email_service.render import MissingFact, Renderer, UnknownEmail
from email_service.retry import Turnstile
from email_service.senders.sender import KeyRefused, Mail, Refused, Sender, Throttled, TryLater
from shared.backoff import backoff
from shared.codes import OtpKeys, UnknownOtpKey
from shared.dead_letters.writing import DeadEnd, bury
from shared.events import SendOtp
from shared.kafka import Message, Producer
from shared.log import masked

SEND_SECONDS = 10.0
# Meanwhile the partition may have become another worker's, which mailed it, and we not know yet.
LONG_WAIT_SECONDS = 1.0

log = structlog.get_logger()


class AlreadyMailed(Exception):
    """The event has its mark."""


@dataclass(frozen=True, slots=True)
class Delivery:
    keys: OtpKeys
    renderer: Renderer
    sender: Sender
    delivered: Delivered
    producer: Producer
    turnstile: Turnstile
    metrics: Metrics

    async def handle(self, message: Message) -> None:
        """Return when the message is decided: mailed, dropped, or held by the dead letters."""
        try:
            await self._deliver(message)
        except DeadEnd as end:
            await self._bury(message, end)
        except Exception as error:
            # A fault of ours must neither lose the message nor bring the worker down for good.
            log.exception("delivery_failed", event_id=message.header("ce_id"))
            await self._bury(message, DeadEnd("failed", type(error).__name__))

    async def _deliver(self, message: Message) -> None:
        order = _read(message)
        if order.is_decoy:
            return
        async with message.holding(self.delivered.lock(order.event_id)):
            await self._deliver_once(message, order)

    async def _deliver_once(self, message: Message, order: Order) -> None:
        try:
            # Asked before the clock: what was mailed in time must not be reported as expired.
            await self._look_up(order)
            attempts = await self._send(message, order)
        except AlreadyMailed:
            self.metrics.skipped.inc()
            log.info("skipped", event_id=order.event_id)
        else:
            self._record(order, attempts)

    async def _send(self, message: Message, order: Order) -> int:
        """Try until the mail is accepted, and return how many tries it took."""
        attempt = 0
        while True:
            attempt += 1
            try:
                await self._try(message, order, attempt)
            except KeyRefused as failure:
                # No pause of its own: the turnstile stays shut until the key works.
                if not self.turnstile.key_refused:
                    log.error("key_refused", reason=str(failure))
                self.turnstile.key_was_refused()
            except (TryLater, UnknownOtpKey, TimeoutError) as failure:
                await self._pause(message, order, attempt, failure)
            except Refused as refusal:
                self.turnstile.key_was_accepted()
                raise DeadEnd("refused", str(refusal), attempt) from None
            else:
                return attempt

    async def _try(self, message: Message, order: Order, attempt: int) -> None:
        began = time.monotonic()
        try:
            with message.assignment.waiting():
                async with asyncio.timeout(order.remaining):
                    turn = await self.turnstile.enter(patient=not order.is_urgent)
        except TimeoutError:
            raise _too_late(order, attempt - 1) from None
        try:
            if time.monotonic() - began > LONG_WAIT_SECONDS:
                await self._look_up(order)
            # The clock may have been set meanwhile, and a code must never go out after its end.
            if order.remaining <= 0:
                raise _too_late(order, attempt - 1)
            async with asyncio.timeout(min(SEND_SECONDS, order.remaining)):
                await self.sender.send(self._compose(order))
            await self._mark(order)
        finally:
            turn.release()

    async def _pause(
        self, message: Message, order: Order, attempt: int, failure: Exception
    ) -> None:
        if isinstance(failure, Throttled):
            self.turnstile.pause(failure.seconds)
        seconds = min(backoff(attempt), max(0.0, order.remaining))
        self.metrics.retried.inc()
        log.warning(
            "send_failed",
            event_id=order.event_id,
            attempt=attempt,
            reason=_reason(failure, order),
            retry_in=round(seconds, 3),
        )
        with message.assignment.waiting():
            await asyncio.sleep(seconds)

    def _compose(self, order: Order) -> Mail:
        event = order.event
        try:
            mail = self.renderer.render(event.email, order.purpose, order.facts(self.keys))
        except UnknownEmail as unknown:
            raise DeadEnd("unknown email", str(unknown)) from None
        except MissingFact as missing:
            raise DeadEnd("malformed", str(missing)) from None
        return Mail(order.event_id, event.address, mail.subject, mail.text, mail.html)

    def _record(self, order: Order, attempts: int) -> None:
        if self.turnstile.key_refused:
            log.info("key_accepted")
        self.turnstile.key_was_accepted()
        seconds = time.time() - order.asked_at
        self.metrics.delivered.labels(order.event.email).inc()
        self.metrics.seconds.observe(seconds)
        log.info(
            "delivered",
            event_id=order.event_id,
            email=order.event.email,
            to=masked(order.event.address),
            attempts=attempts,
            seconds=round(seconds, 3),
        )

    # -- without Redis the mail goes on: a late code is a lost code, a double is only a nuisance --

    async def _look_up(self, order: Order) -> None:
        """Raises AlreadyMailed."""
        try:
            mailed = await self.delivered.includes(order.event_id)
        except MarksUnavailable:
            self.metrics.unmarked.labels("look-up").inc()
            return
        if mailed:
            raise AlreadyMailed

    async def _mark(self, order: Order) -> None:
        try:
            await self.delivered.add(order.event_id)
        except MarksUnavailable:
            self.metrics.unmarked.labels("mark").inc()

    async def _bury(self, message: Message, end: DeadEnd) -> None:
        await bury(self.producer, message, end)
        self.metrics.dead.labels(end.reason).inc()
        if end.reason == "expired":
            self.metrics.expired.inc()


def _read(message: Message) -> Order:
    try:
        return read_order(message)
    except Malformed as error:
        raise DeadEnd("malformed", str(error)) from None


def _too_late(order: Order, attempts: int) -> DeadEnd:
    if isinstance(order.event, SendOtp):
        return DeadEnd("expired", attempts=attempts)
    return DeadEnd("undelivered", attempts=attempts)


def _reason(failure: Exception, order: Order) -> str:
    """What went wrong, as a log line may show it: providers repeat the address."""
    text = str(failure) or type(failure).__name__
    if isinstance(failure, UnknownOtpKey):
        text = f"OTP_KEYS has no key {failure}"
    return text.replace(order.event.address, masked(order.event.address))
