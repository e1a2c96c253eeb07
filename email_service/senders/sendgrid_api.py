"""SendGrid's v3 API: the body is what its own library builds, the wire is a pool of ours.

The library's client opens a connection for each mail and waits for ever.
"""

from __future__ import annotations

import time
from typing import Any

import aiohttp
import msgspec
import yarl
from sendgrid.helpers import mail as sendgrid

from email_service.senders.sender import KeyRefused, Mail, Refused, Throttled, TryLater
from email_service.settings import Originator, SendGridAccount

# A 429 without a usable reset, and one whose reset only a wrong clock explains.
DEFAULT_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 300.0


class SendGrid:
    def __init__(self, account: SendGridAccount, originator: Originator, connections: int) -> None:
        self._url = yarl.URL(account.base_url + "/v3/mail/send")
        self._encoder = msgspec.json.Encoder()
        self._skeleton = _skeleton(originator)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=30),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={
                "Authorization": f"Bearer {account.api_key}",
                "Content-Type": "application/json",
            },
            timeout=aiohttp.ClientTimeout(total=None),
        )

    async def send(self, mail: Mail) -> None:
        body = self._encoder.encode(self.body(mail))
        try:
            async with self._session.post(self._url, data=body, allow_redirects=False) as response:
                if 200 <= response.status < 300:
                    return
                raise _failure(response, await response.read())
        except (aiohttp.ClientError, OSError) as error:
            raise TryLater(f"{type(error).__name__}: {error}") from None

    def body(self, mail: Mail) -> dict[str, Any]:
        """Exactly what `sendgrid.Mail(...).get()` gives; only what differs by mail is made anew."""
        return self._skeleton | {
            "subject": mail.subject,
            "personalizations": [{"to": [{"email": mail.to}]}],
            "content": [
                {"type": "text/plain", "value": mail.text},
                {"type": "text/html", "value": mail.html},
            ],
            "custom_args": {"event_id": mail.event_id},
        }

    async def close(self) -> None:
        await self._session.close()


def compose(originator: Originator, mail: Mail) -> dict[str, Any]:
    """The body of one mail as SendGrid's library builds it, click tracking off.

    Tracking would send every link of ours through a redirect that somebody else logs.
    """
    message = sendgrid.Mail(
        from_email=sendgrid.From(originator.address, originator.name),
        to_emails=sendgrid.To(mail.to),
        subject=mail.subject,
        plain_text_content=mail.text,
        html_content=mail.html,
    )
    message.custom_arg = sendgrid.CustomArg("event_id", mail.event_id)
    message.tracking_settings = sendgrid.TrackingSettings(
        click_tracking=sendgrid.ClickTracking(enable=False, enable_text=False),
        open_tracking=sendgrid.OpenTracking(enable=False),
    )
    body: dict[str, Any] = message.get()
    return body


def _skeleton(originator: Originator) -> dict[str, Any]:
    return compose(originator, Mail("id", "to@example.org", "subject", "text", "<p>html</p>"))


def _failure(response: aiohttp.ClientResponse, body: bytes) -> Exception:
    reason = f"{response.status} {_reason(body)}".strip()
    match response.status:
        case 401 | 403:
            return KeyRefused(reason)
        case 429:
            return Throttled(reason, _pause(response.headers.get("X-RateLimit-Reset")))
        case status if status >= 500 or status == 408:
            return TryLater(reason)
        case _:
            return Refused(reason)


def _reason(body: bytes) -> str:
    """The messages of SendGrid's error list, or the start of whatever a proxy answered."""
    try:
        errors = msgspec.json.decode(body, type=_Errors).errors
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body[:200].decode("utf-8", "replace")
    return "; ".join(error.message for error in errors)[:500]


class _Error(msgspec.Struct):
    message: str = ""


class _Errors(msgspec.Struct):
    errors: list[_Error]


def _pause(reset: str | None) -> float:
    """Seconds until `X-RateLimit-Reset`, which is in seconds since 1970."""
    try:
        seconds = int(reset or "") - time.time()
    except ValueError:
        return DEFAULT_PAUSE_SECONDS
    return min(max(seconds, 0.0), LONGEST_PAUSE_SECONDS)
