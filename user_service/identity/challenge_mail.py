"""Asking the email service for a mail about a challenge, before the request is answered."""

from __future__ import annotations

from dataclasses import dataclass

from shared import events
from shared.emails import OtpEmail
from shared.events import SendOtp
from shared.kafka import KafkaUnavailable, Producer
from user_service.errors import Unavailable
from user_service.identity.challenge_store import Challenges, Issued
from user_service.storage.breaker import Breaker
from user_service.storage.rate_limits import MailShare, RateLimits


class NotMailed(Unavailable):
    """`certain` is False when the brokers may hold the request after all."""

    def __init__(self, *, certain: bool) -> None:
        super().__init__("kafka")
        self.certain = certain


@dataclass(frozen=True, slots=True)
class ChallengeMail:
    """The mails about challenges of one purpose."""

    producer: Producer
    breaker: Breaker
    topic: str
    challenges: Challenges
    limits: RateLimits

    def require_reachable(self) -> None:
        """Raise Unavailable before anything is spent on a request that cannot be mailed."""
        self.breaker.require_closed()

    async def request(
        self,
        email: OtpEmail,
        address: str,
        issued: Issued,
        share: MailShare,
        *,
        opened: bool = True,
    ) -> None:
        """Return once every in-sync broker holds the request; raises NotMailed.

        `share` is what the mail has cost its address. `opened` is False for another code of a
        challenge whose first one was mailed.
        """
        try:
            await self._produce(email, address, issued)
        except NotMailed as failure:
            # Whether or not its mail still comes: a 503 promised nothing, and a challenge whose
            # code was never mailed would be free guesses.
            if opened:
                await self.challenges.discard(issued.challenge_id)
            if failure.certain:
                await self.limits.give_back(share)
            raise

    async def _produce(self, email: OtpEmail, address: str, issued: Issued) -> None:
        event = SendOtp(
            challenge_id=issued.challenge_id,
            purpose=self.challenges.purpose,
            email=email,
            address=address,
            sequence=issued.sequence,
            kid=issued.kid,
            issued_at=issued.issued_at,
            expires_at=issued.expires_at,
        )
        headers = events.headers(events.new_id(), "send-otp")
        try:
            await self.producer.produce(
                self.topic, issued.challenge_id, events.encode(event), headers
            )
        except KafkaUnavailable as error:
            self.breaker.failed(error)
            raise NotMailed(certain=error.certain) from error
        self.breaker.succeeded()
