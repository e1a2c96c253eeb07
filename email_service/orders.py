"""What a Kafka message asks for: one mail to one address, before a certain moment."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

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
LONGEST_FACT = 300
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
    def is_urgent(self) -> bool:
        """Whether somebody sits there and waits for it."""
        return isinstance(self.event, SendOtp)

    @property
    def is_decoy(self) -> bool:
        """Asked for only so that a request about an unknown address produces like any other."""
        return self.event.email == "decoy-message"

    @property
    def purpose(self) -> Purpose | None:
        return self.event.purpose if isinstance(self.event, SendOtp) else None

    def facts(self, keys: OtpKeys) -> dict[str, str]:
        """What fills the template; codes and links are derived anew each time.

        Raises UnknownOtpKey.
        """
        if isinstance(self.event, SendNotice):
            return self.event.facts | {"when": _in_words(self.event.occurred_at)}
        return _proofs(self.event, keys)


def _proofs(event: SendOtp, keys: OtpKeys) -> dict[str, str]:
    challenge = (event.kid, event.purpose, event.challenge_id, event.sequence, event.address)
    minutes = max(1, round((event.expires_at - event.issued_at) / 60_000))
    facts = {"code": keys.code(*challenge), "minutes": str(minutes)}
    if event.purpose == "recover":
        facts["link_token"] = keys.link_token(*challenge)
    return facts


def _in_words(at: datetime) -> str:
    """`21 November 2026, 05:09 UTC`: no reader's time zone is known."""
    return f"{at.astimezone(UTC):%-d %B %Y, %H:%M} UTC"


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
    except (ValueError, OverflowError, RecursionError) as error:
        raise Malformed(str(error)) from None
    address = order.event.address
    if not ADDRESS.fullmatch(address) or NOT_IN_ADDRESS.search(address):
        raise Malformed("the address cannot be mailed to")
    return order


def _is_harmless(fact: str) -> bool:
    """Whether a fact can stand in a sentence: one short line, no hidden turn of it, no link.

    Ours always can. It is what a mail of ours would be abused for by whoever else could produce.
    """
    return len(fact) <= LONGEST_FACT and fact.isprintable() and "//" not in fact


def _otp_order(event_id: str, event: SendOtp) -> Order:
    return Order(event_id, event, event.issued_at / 1000, event.expires_at / 1000)


def _notice_order(event_id: str, event: SendNotice) -> Order:
    if not all(_is_harmless(fact) for fact in event.facts.values()):
        raise Malformed("a fact cannot be put into a mail")
    asked_at = event.occurred_at.timestamp()
    return Order(event_id, event, asked_at, asked_at + NOTICE_SECONDS)
