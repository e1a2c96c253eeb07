"""`POST /v3/mail/send` as SendGrid answers it."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web

from dev_stack.mail_stand_in.faults import Fault, Faults
from dev_stack.mail_stand_in.mailbox import Mail, Mailbox, custom_args_of
from dev_stack.mail_stand_in.refusals import rate_limited, refused
from dev_stack.mail_stand_in.validation import problems


class SendApi:
    """Accepts mails into `mailbox` after `latency` seconds, unless a fault or a rule forbids it.

    Without a `key` every bearer is accepted. `untold` counts mails whose senders were not told.
    """

    def __init__(
        self, mailbox: Mailbox, faults: Faults, *, key: str | None, latency: float
    ) -> None:
        self.reset_counts()
        self._mailbox = mailbox
        self._faults = faults
        self._authorization = f"Bearer {key}" if key else None
        self._latency = latency

    def reset_counts(self) -> None:
        self.requests = self.accepted = self.refused = self.untold = 0

    async def send(self, request: web.Request) -> web.Response:
        self.requests += 1
        answer = await self._answer(request)
        if answer.status >= 400:
            self.refused += 1
        return answer

    async def _answer(self, request: web.Request) -> web.Response:
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return refused(413)
        message = _decoded(body)
        fault = self._faults.strike(_recipients(message))
        if self._latency:
            await asyncio.sleep(self._latency)
        if fault and (answer := await self._suffer(fault, request)):
            return answer
        answer = self._judge(request, message)
        if answer.status == 202:
            self._accept(request, message, body, answer.headers["X-Message-Id"])
        if fault and fault.close == "after_accept":
            self.untold += answer.status == 202
            _drop_connection(request)
        return answer

    async def _suffer(self, fault: Fault, request: web.Request) -> web.Response | None:
        """What the fault answers; None when the mail goes on its way."""
        await asyncio.sleep(fault.delay_ms / 1000)
        if fault.hang:
            await self._faults.until_lifted()
        if fault.hang or fault.close == "before":
            _drop_connection(request)
            return refused(503)
        if fault.status == 429:
            return rate_limited(fault.reset_in)
        return refused(fault.status) if fault.status else None

    def _judge(self, request: web.Request, message: Any) -> web.Response:
        authorization = request.headers.get("Authorization", "")
        if not authorization.startswith("Bearer ") or self._authorization not in (
            None,
            authorization,
        ):
            return refused(401)
        if request.content_type != "application/json":
            return refused(415)
        if found := problems(message):
            return refused(400, *found)
        return web.Response(status=202, headers={"X-Message-Id": secrets.token_urlsafe(16)})

    def _accept(
        self, request: web.Request, message: dict[str, Any], body: bytes, message_id: str
    ) -> None:
        self.accepted += 1
        headers = {**request.headers, "Authorization": "Bearer ..."}
        received_at = datetime.now(UTC)
        copies = 0
        for personalization in message["personalizations"]:
            event_id = custom_args_of(message, personalization).get("event_id")
            for to in personalization["to"]:
                mail_id = f"{message_id}.{copies}" if copies else message_id
                self._mailbox.put(Mail(mail_id, to["email"], event_id, received_at, headers, body))
                copies += 1


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None


def _recipients(message: Any) -> set[str]:
    """The addresses of a body that may be malformed in any way, lower-cased."""
    try:
        return {
            to["email"].lower()
            for personalization in message["personalizations"]
            for to in personalization["to"]
        }
    except (TypeError, KeyError, AttributeError):
        return set()


def _drop_connection(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
