"""What a Kafka message asks for: one mail to one address, before a certain moment."""

from __future__ import annotations

import re
import time

import msgspec
from msgspec import Struct

from shared.codes import OtpKeys, Purpose
from shared.events import SendNotice, SendOtp
from shared.kafka import Message
from shared.topics import SEND_OTP

# A notice has no code that ends; after a day it is no news any more.
NOTICE_SECONDS = 24 * 60 * 60
# Not a judgement of addresses: it keeps anything that a mail header could be broken with out.
ADDRESS = re.compile(r"[!-~]{1,64}@[a-z0-9.-]{1,253}", re.IGNORECASE)
NOT_IN_ADDRESS = re.compile(r'[<>()\[\],;:\\"]')

_otp_decoder = msgspec.json.Decoder(SendOtp)
_notice_decoder = msgspec.json.Decoder(SendNotice)


class Malformed(ValueError):
    """The message is not an event of ours, or not one that a mail can be made from."""


class Order(Struct, frozen=True):
    """One mail that was asked for. Times are seconds since 1970."""

    event_id: str
    event: SendOtp | SendNotice
    asked_at: float
    deadline: float

    @property
    def remaining(self) -> float:
        """Seconds that are left to get the mail accepted; negative when it is too late."""
        return self.deadline - time.time()

    @property
    def is_decoy(self) -> bool:
        """Asked for only so that a request about an unknown address produces like any other."""
        return self.event.email == "decoy-message"

    @property
    def purpose(self) -> Purpose | None:
        return self.event.purpose if isinstance(self.event, SendOtp) else None

    def facts(self, keys: OtpKeys) -> dict[str, str]:
        """What fills the template: the code, derived anew each time; raises UnknownOtpKey."""
        if isinstance(self.event, SendNotice):
            return self.event.facts
        event = self.event
        code = keys.code(
            event.kid, event.purpose, event.challenge_id, event.sequence, event.address
        )
        minutes = max(1, round((event.expires_at - event.issued_at) / 60_000))
        return {"code": code, "minutes": str(minutes)}


def read_order(message: Message) -> Order:
    """The order in a message of `send-otp` or `send-notice`; raises Malformed."""
    event_id = message.header("ce_id")
    if not event_id:
        raise Malformed("no ce_id header")
    try:
        if message.topic.endswith(SEND_OTP.name):
            order = _otp_order(event_id, _otp_decoder.decode(message.value or b""))
        else:
            order = _notice_order(event_id, _notice_decoder.decode(message.value or b""))
    except (msgspec.DecodeError, ValueError, OverflowError) as error:
        raise Malformed(str(error)) from None
    address = order.event.address
    if not ADDRESS.fullmatch(address) or NOT_IN_ADDRESS.search(address):
        raise Malformed("the address cannot be mailed to")
    return order


def _otp_order(event_id: str, event: SendOtp) -> Order:
    return Order(event_id, event, event.issued_at / 1000, event.expires_at / 1000)


def _notice_order(event_id: str, event: SendNotice) -> Order:
    asked_at = event.occurred_at.timestamp()
    return Order(event_id, event, asked_at, asked_at + NOTICE_SECONDS)
