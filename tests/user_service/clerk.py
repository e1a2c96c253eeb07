"""Clerk as its webhooks show it: users that change, told in signed messages of Svix."""

from __future__ import annotations

import base64
import hmac
import json
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from secrets import token_hex
from typing import Any

import confluent_kafka
import httpx
from confluent_kafka import TopicPartition

from shared.topics import CLERK_WEBHOOK
from tests.corner import Corner
from tests.people import fresh_address

SECRET = "whsec_" + base64.b64encode(b"a key that nobody else has seen.").decode()
OTHER_SECRET = "whsec_" + base64.b64encode(b"the key that comes in its place.").decode()
PATHS = ("/webhooks/clerk", "/api/webhook/clerk")
# As a colleague's dashboard shows it: none of it concerns an account of ours.
BYSTANDERS = {
    "object": "user",
    "image_url": "https://img.example.org/ann.png",
    "phone_numbers": [],
    "web3_wallets": [],
    "external_accounts": [{"provider": "oauth_google", "email_address": "other@example.org"}],
    "password_enabled": True,
    "two_factor_enabled": False,
    "public_metadata": {"plan": "pro"},
    "private_metadata": {"note": "a secret of Clerk's"},
    "unsafe_metadata": {},
    "last_sign_in_at": None,
    "external_id": None,
}


def milliseconds() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class ClerkUser:
    """`updated_at` is in milliseconds; `email` of None is a user who has no address."""

    email: str | None = field(default_factory=fresh_address)
    first_name: str | None = "Ann"
    last_name: str | None = "Example"
    username: str | None = None
    verified: bool = True
    updated_at: int = field(default_factory=milliseconds)
    id: str = field(default_factory=lambda: f"user_{token_hex(12)}")

    def changed(self, **changes: Any) -> ClerkUser:
        """Later, unless told otherwise."""
        return replace(self, **{"updated_at": self.updated_at + 1000, **changes})

    @property
    def data(self) -> dict[str, Any]:
        addresses = [_address("idn_other", "second@example.org", "verified")]
        if self.email is not None:
            status = "verified" if self.verified else "unverified"
            addresses.append(_address("idn_primary", self.email, status))
        return BYSTANDERS | {
            "id": self.id,
            "username": self.username,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "primary_email_address_id": None if self.email is None else "idn_primary",
            "email_addresses": addresses,
            "created_at": self.updated_at,
            "updated_at": self.updated_at,
        }


def _address(id: str, email: str, status: str) -> dict[str, Any]:
    verification = {"status": status, "strategy": "email_code"}
    return {
        "id": id,
        "object": "email_address",
        "email_address": email,
        "linked_to": [],
        "verification": verification,
    }


def told(kind: str, data: object, at: int | None = None) -> bytes:
    """The body of a message; `at` is in milliseconds."""
    envelope = {"data": data, "object": "event", "type": kind, "instance_id": "ins_1"}
    return json.dumps(envelope | {"timestamp": at or milliseconds()}).encode()


def signature(body: bytes, id: str, at: int | str, secret: str = SECRET) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.digest(key, f"{id}.{at}.".encode() + body, sha256)
    return "v1," + base64.b64encode(mac).decode()


def headers(
    body: bytes, *, id: str | None = None, at: int | None = None, secret: str = SECRET
) -> dict[str, str]:
    """As Svix sends them; `at` is in seconds."""
    id, at = id or f"msg_{token_hex(12)}", int(time.time()) if at is None else at
    return {
        "content-type": "application/json",
        "svix-id": id,
        "svix-timestamp": str(at),
        "svix-signature": signature(body, id, at, secret),
    }


@dataclass(frozen=True)
class Clerk:
    client: httpx.Client

    def create(self, user: ClerkUser) -> None:
        self.tell("user.created", user.data, user.updated_at)

    def update(self, user: ClerkUser) -> None:
        self.tell("user.updated", user.data, user.updated_at)

    def delete(self, user: ClerkUser) -> None:
        self.tell("user.deleted", {"id": user.id, "object": "user", "deleted": True})

    def tell(self, kind: str, data: object, at: int | None = None) -> None:
        answer = self.deliver(told(kind, data, at))
        assert answer.status_code == 200, answer.text

    def deliver(self, body: bytes, path: str = PATHS[0], **more: Any) -> httpx.Response:
        return self.client.post(path, content=body, headers=headers(body, **more))


def records(corner: Corner) -> int:
    """How many messages of Clerk's Kafka has taken in this corner."""
    client = confluent_kafka.Consumer(
        {"bootstrap.servers": corner.variables["KAFKA_BROKER"], "group.id": "counts-only"}
    )
    name = corner.topic_prefix + CLERK_WEBHOOK.name
    try:
        return sum(
            client.get_watermark_offsets(TopicPartition(name, number), timeout=5)[1]
            for number in range(CLERK_WEBHOOK.partitions)
        )
    finally:
        client.close()


def moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
