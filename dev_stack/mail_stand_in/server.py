"""The stand-in as a server on a port."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from aiohttp import web

from dev_stack.mail_stand_in.faults import Faults
from dev_stack.mail_stand_in.mailbox import Mailbox
from dev_stack.mail_stand_in.mailbox_api import MailboxApi
from dev_stack.mail_stand_in.send_api import SendApi

SENDGRIDS_LIMIT = 30 * 1024 * 1024


class MailStandIn:
    """Serves while it is entered; port 0 takes a free one, which `port` and `url` then tell.

    Accepts `key` as the only API key (None: any), answers `latency` seconds late, and refuses
    bodies above `most_bytes`; `mailbox` keeps the mails, `send_api` counts requests. Entering
    raises OSError when the port is taken.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        key: str | None = None,
        latency: float = 0.0,
        most_bytes: int = SENDGRIDS_LIMIT,
        mailbox: Mailbox | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.mailbox = mailbox or Mailbox()
        self.faults = Faults()
        self.send_api = SendApi(self.mailbox, self.faults, key=key, latency=latency)
        app = web.Application(client_max_size=most_bytes)
        app.add_routes(MailboxApi(self.mailbox, self.faults, self.send_api).routes())
        app.router.add_post("/v3/mail/send", self.send_api.send)
        # What hangs or waits for a mail would wait on after the stop.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port, backlog=1024)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.faults.clear()
        await self._runner.cleanup()
