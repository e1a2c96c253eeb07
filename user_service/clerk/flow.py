"""Taking a webhook in: signed, read, not had before, and held by Kafka before it is answered."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from shared import events
from shared.events import ClerkUserChanged
from shared.kafka import KafkaUnavailable, Producer
from user_service.clerk.deliveries import Deliveries
from user_service.clerk.payload import read_payload
from user_service.clerk.signature import Delivery, require_lately, require_signed
from user_service.errors import NotFound, WebhookRejected
from user_service.storage.breaker import Breaker

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ClerkWebhook:
    """Without `keys` (no CLERK_WEBHOOK_SECRETS) it answers 404."""

    keys: tuple[bytes, ...]
    deliveries: Deliveries
    producer: Producer
    breaker: Breaker
    topic: str

    def require_plausible(self, headers: Mapping[bytes, bytes]) -> None:
        """Before a body is read: raise NotFound, or WebhookRejected for what no body can mend."""
        if not self.keys:
            raise NotFound
        require_lately(headers, time.time())

    async def take(self, headers: Mapping[bytes, bytes], body: bytes) -> None:
        """Return once the brokers hold what it says, or it was here before.

        Raises WebhookRejected, one and the same for all that is wrong with it; and Unavailable,
        after which Clerk sends it again.
        """
        delivery = require_signed(headers, body, self.keys, time.time())
        try:
            event = read_payload(body, delivery.sent_at)
        except WebhookRejected:
            log.warning("clerk_webhook_refused", reason="payload", message_id=delivery.id)
            raise
        if event is None:
            log.info("clerk_webhook_skipped", message_id=delivery.id)
            return
        if await self.deliveries.includes(delivery.id):
            return
        await self._produce(delivery, event)
        await self.deliveries.add(delivery.id)

    async def _produce(self, delivery: Delivery, event: ClerkUserChanged) -> None:
        self.breaker.require_closed()
        at = datetime.fromtimestamp(event.sent_at / 1000, UTC)
        headers = events.headers(delivery.id, events.TOPICS[ClerkUserChanged].name, at)
        try:
            await self.producer.produce(
                self.topic, event.clerk_user_id, events.encode(event), headers
            )
        except KafkaUnavailable as error:
            raise self.breaker.failed(error) from error
        self.breaker.succeeded()
