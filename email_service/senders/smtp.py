"""Any SMTP server, over connections that are kept open between mails."""

from __future__ import annotations

import time
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

import aiosmtplib

from email_service.senders.sender import KeyRefused, Mail, Refused, SendFailed, TryLater
from email_service.settings import Originator, SmtpServer

# Servers hang up on a quiet connection, many of them after half a minute.
IDLE_SECONDS = 10.0
# Refusals of whoever sends, which would meet every other mail as well.
OF_US = (
    aiosmtplib.SMTPConnectResponseError,
    aiosmtplib.SMTPHeloError,
    aiosmtplib.SMTPAuthenticationError,
    aiosmtplib.SMTPSenderRefused,
)
NOT_AUTHENTICATED = frozenset({530, 534, 535, 538})


class Smtp:
    def __init__(self, server: SmtpServer, originator: Originator) -> None:
        self._server = server
        self._originator = originator
        self._idle: list[tuple[aiosmtplib.SMTP, float]] = []

    async def send(self, mail: Mail) -> None:
        message = compose(self._originator, mail)
        try:
            client = await self._connected()
            await self._hand_over(client, message, mail.to)
        except (aiosmtplib.SMTPException, OSError) as error:
            raise _failure(error) from None

    async def close(self) -> None:
        while self._idle:
            self._idle.pop()[0].close()

    async def _connected(self) -> aiosmtplib.SMTP:
        while self._idle:
            client, since = self._idle.pop()
            if client.is_connected and time.monotonic() - since < IDLE_SECONDS:
                return client
            client.close()
        client = aiosmtplib.SMTP(
            hostname=self._server.host,
            port=self._server.port,
            username=self._server.username or None,
            password=self._server.password or None,
            use_tls=self._server.security == "tls",
            start_tls=self._server.security == "starttls",
            timeout=None,
        )
        await client.connect()
        return client

    async def _hand_over(self, client: aiosmtplib.SMTP, message: EmailMessage, to: str) -> None:
        """Send and keep the connection; one that failed or was cut short is not used again."""
        kept = False
        try:
            await client.send_message(message, sender=self._originator.address, recipients=[to])
            kept = True
        finally:
            if kept:
                self._idle.append((client, time.monotonic()))
            else:
                client.close()


def compose(originator: Originator, mail: Mail) -> EmailMessage:
    """The mail with the event's id in its Message-ID, by which mailboxes drop a double."""
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(originator.name, addr_spec=originator.address)
    message["To"] = Address(addr_spec=mail.to)
    message["Subject"] = mail.subject
    message["Message-ID"] = f"<{mail.event_id}@{originator.address.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    return message


def _failure(error: Exception) -> SendFailed:
    match error:
        case aiosmtplib.SMTPRecipientsRefused(recipients=[refusal, *_]):
            return _failure(refusal)
        case aiosmtplib.SMTPResponseException(code=code) if 500 <= code < 600:
            said = _text(f"{code} {error.message}")
            of_us = isinstance(error, OF_US) or code in NOT_AUTHENTICATED
            return KeyRefused(said) if of_us else Refused(said)
        case _:
            return TryLater(_text(f"{type(error).__name__}: {error}"))


def _text(said: str) -> str:
    """A server's words, in which bytes that are no ASCII came as halves of surrogate pairs."""
    return said.encode("ascii", "backslashreplace").decode()
