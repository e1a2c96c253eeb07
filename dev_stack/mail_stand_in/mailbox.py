"""What was accepted, newest first, by recipient in constant time."""

from __future__ import annotations

import asyncio
import re
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct

# Not those that happen to stand inside of a link.
SIX_DIGITS = re.compile(r"(?<![\w.@#=/-])\d{6}(?![\w/-])")


class Mail(Struct, frozen=True):
    """One recipient's copy, kept as it came and only looked into when somebody reads it."""

    id: str
    to: str
    event_id: str | None
    received_at: datetime
    headers: dict[str, str]
    body: bytes


class MailView(Struct, frozen=True, rename={"sender": "from"}):
    """A mail as a person reads it, with the request that brought it."""

    id: str
    to: str
    sender: str
    subject: str
    text: str
    html: str
    code: str | None
    event_id: str | None
    custom_args: dict[str, str]
    received_at: datetime
    request: dict[str, Any]

    @classmethod
    def of(cls, mail: Mail) -> MailView:
        message = msgspec.json.decode(mail.body)
        content = {part["type"]: part["value"] for part in message.get("content", ())}
        text = content.get("text/plain", "")
        code = SIX_DIGITS.search(text)
        personalization = personalization_of(message, mail.to)
        return cls(
            id=mail.id,
            to=mail.to,
            sender=message["from"]["email"],
            subject=personalization.get("subject") or message.get("subject", ""),
            text=text,
            html=content.get("text/html", ""),
            code=code[0] if code else None,
            event_id=mail.event_id,
            custom_args=custom_args_of(message, personalization),
            received_at=mail.received_at,
            request={"headers": mail.headers, "body": message},
        )


def personalization_of(message: dict[str, Any], address: str) -> dict[str, Any]:
    """The personalization that names `address` as a recipient, else an empty one."""
    for personalization in message["personalizations"]:
        if any(to["email"] == address for to in personalization["to"]):
            return dict(personalization)
    return {}


def custom_args_of(message: dict[str, Any], personalization: dict[str, Any]) -> dict[str, str]:
    return {**message.get("custom_args", {}), **personalization.get("custom_args", {})}


class Mailbox:
    """Keeps the newest `capacity` mails; what it counts is about all there ever were."""

    def __init__(self, capacity: int = 20_000) -> None:
        self.capacity = capacity
        self.clear()
        self._waiting: dict[str | None, set[asyncio.Future[None]]] = defaultdict(set)

    def clear(self) -> None:
        """Forget all mails and counts."""
        self._mails: dict[str, Mail] = {}
        self._by_address: dict[str, deque[Mail]] = defaultdict(deque)
        self._received: Counter[str] = Counter()
        self._event_ids: set[str] = set()
        self._with_event_id = 0

    def put(self, mail: Mail) -> None:
        key = mail.to.lower()
        self._mails[mail.id] = mail
        self._by_address[key].append(mail)
        self._received[key] += 1
        if mail.event_id is not None:
            self._event_ids.add(mail.event_id)
            self._with_event_id += 1
        if len(self._mails) > self.capacity:
            self._drop_oldest()
        self._wake(key)
        self._wake(None)

    def get(self, mail_id: str) -> Mail | None:
        return self._mails.get(mail_id)

    def newest(
        self, to: str | None = None, *, limit: int = 50, after: str | None = None, search: str = ""
    ) -> list[Mail]:
        """Mails newest first: to one address if given, only those that came after mail `after`."""
        mails = (
            mail for mail in self._newest_first(to, after) if search.lower() in mail.to.lower()
        )
        return list(islice(mails, limit))

    async def wait_for(self, to: str | None, seconds: float, *, after: str | None = None) -> Mail:
        """The newest mail to `to` (after mail `after`), as soon as there is one.

        Raises TimeoutError when none came within `seconds`.
        """
        key = None if to is None else to.lower()
        async with asyncio.timeout(seconds):
            while not (mails := self.newest(to, limit=1, after=after)):
                await self._arrival(key)
        return mails[0]

    def count(self, to: str | None = None) -> int:
        """How many mails were ever accepted, to one address or in all."""
        return self._received.total() if to is None else self._received[to.lower()]

    @property
    def distinct_event_ids(self) -> int:
        return len(self._event_ids)

    @property
    def doubled(self) -> int:
        """How many mails repeated the event id of an earlier one."""
        return self._with_event_id - len(self._event_ids)

    def _newest_first(self, to: str | None, after: str | None) -> Iterator[Mail]:
        mails = self._mails.values() if to is None else self._by_address.get(to.lower(), ())
        for mail in reversed(mails):
            if mail.id == after:
                return
            yield mail

    def _drop_oldest(self) -> None:
        oldest = self._mails.pop(next(iter(self._mails)))
        key = oldest.to.lower()
        self._by_address[key].popleft()
        if not self._by_address[key]:
            del self._by_address[key]

    async def _arrival(self, key: str | None) -> None:
        arrival = asyncio.get_running_loop().create_future()
        self._waiting[key].add(arrival)
        try:
            await arrival
        finally:
            self._waiting[key].discard(arrival)
            if not self._waiting[key]:
                del self._waiting[key]

    def _wake(self, key: str | None) -> None:
        for arrival in self._waiting.get(key, ()):
            if not arrival.done():
                arrival.set_result(None)
