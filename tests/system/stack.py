"""All services and the provider's stand-in, from a request to its mail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from dev_stack.mail_stand_in import MailStandIn, MailView
from dev_stack.ports import free_port
from tests.corner import Corner
from tests.people import Person
from tests.service_process import ServiceProcess
from tests.system.daemon import daemon

RESET_PAGE = "https://app.example.org/reset-password"


@dataclass(frozen=True)
class Stack:
    service: ServiceProcess
    sendgrid: MailStandIn

    @classmethod
    @asynccontextmanager
    async def started(
        cls, corner: Corner, service: ServiceProcess, logs: Path
    ) -> AsyncIterator[Stack]:
        """`service` with a worker and an email service beside it."""
        relay_port, mail_port = free_port(), free_port()
        async with MailStandIn(key="SG.key") as sendgrid:
            variables = corner.variables | {
                "SENDGRID_API_KEY": "SG.key",
                "SENDGRID_BASE_URL": sendgrid.url,
                "FROM_EMAIL": "no-reply@gatepost.example",
                "PASSWORD_RESET_URL": RESET_PAGE,
                "WORKER_PROBE_PORT": str(relay_port),
                "EMAIL_PROBE_PORT": str(mail_port),
            }
            with (
                daemon("user_service", "worker", variables=variables, port=relay_port, logs=logs),
                daemon("email_service", "run", variables=variables, port=mail_port, logs=logs),
            ):
                yield cls(service, sendgrid)

    async def mail_to(self, person: Person, after: MailView | None = None) -> MailView:
        """The newest mail to a person, as soon as there is one (after another)."""
        found = await self.sendgrid.mailbox.wait_for(
            person.email, 15, after=after.id if after else None
        )
        return MailView.of(found)

    def subjects(self, address: str) -> list[str]:
        """Of all mails to an address so far, oldest first."""
        mails = reversed(self.sendgrid.mailbox.newest(address))
        return [MailView.of(mail).subject for mail in mails]
