"""Who sent a webhook: Svix signs its id, its time and its body as they travel.

A library does the same (standardwebhooks), but reads one family of header names only, and leaves
malformed signatures to whoever catches ValueError.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from hashlib import sha256

import structlog
from msgspec import Struct

from user_service.errors import WebhookRejected

TOLERANCE_SECONDS = 5 * 60
# Svix's own names, and those of the standard that it founded.
FAMILIES = (b"svix-", b"webhook-")
MESSAGE_ID = re.compile(rb"[A-Za-z0-9_.:-]{1,128}")
SECONDS = re.compile(rb"[0-9]{1,12}")
# Two secrets sign while one replaces the other; each entry more is work for us.
MOST_SIGNATURES = 10

log = structlog.get_logger()


class Delivery(Struct, frozen=True):
    """One message of Svix; a repetition has the same id. `sent_at` is in seconds since 1970."""

    id: str
    sent_at: int


def require_lately(headers: Mapping[bytes, bytes], now: float) -> Delivery:
    """The delivery as its headers have it, whoever wrote them; raises WebhookRejected."""
    id, sent_at = _header(headers, b"id"), _header(headers, b"timestamp")
    if not (MESSAGE_ID.fullmatch(id) and SECONDS.fullmatch(sent_at)):
        raise _refusal("headers")
    if abs(now - int(sent_at)) > TOLERANCE_SECONDS:
        raise _refusal("time")
    return Delivery(id.decode(), int(sent_at))


def require_signed(
    headers: Mapping[bytes, bytes], body: bytes, keys: tuple[bytes, ...], now: float
) -> Delivery:
    """The same, if one of our keys has signed it; raises WebhookRejected."""
    delivery = require_lately(headers, now)
    # As they were sent: a number may be written in several ways.
    signed = b"%b.%b.%b" % (_header(headers, b"id"), _header(headers, b"timestamp"), body)
    expected = [hmac.digest(key, signed, sha256) for key in keys]
    shown = list(_shown(_header(headers, b"signature")))
    # Every pair is compared, however early one fits.
    matches = [hmac.compare_digest(ours, theirs) for ours in expected for theirs in shown]
    if not any(matches):
        raise _refusal("signature")
    return delivery


def _refusal(reason: str) -> WebhookRejected:
    """One and the same for whoever asks; what is wrong stands in the log."""
    log.info("clerk_webhook_refused", reason=reason)
    return WebhookRejected()


def _header(headers: Mapping[bytes, bytes], name: bytes) -> bytes:
    family = next((family for family in FAMILIES if family + b"id" in headers), FAMILIES[0])
    return headers.get(family + name, b"")


def _shown(signatures: bytes) -> Iterator[bytes]:
    for entry in signatures.split(b" ", MOST_SIGNATURES)[:MOST_SIGNATURES]:
        version, _, encoded = entry.partition(b",")
        if version == b"v1":
            try:
                yield b64decode(encoded, validate=True)
            except ValueError:
                continue
