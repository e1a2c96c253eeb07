"""The mailbox and the faults as JSON, and the page that shows the mails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from dev_stack.mail_stand_in.faults import Fault, Faults
from dev_stack.mail_stand_in.mailbox import Mail, Mailbox, MailView
from dev_stack.mail_stand_in.send_api import SendApi

LONGEST_WAIT = 60.0

PAGE = Path(__file__).parent / "page"
PAGE_FILES = {
    "/": ("mailbox.html", "text/html"),
    "/mailbox.css": ("mailbox.css", "text/css"),
    "/mailbox.js": ("mailbox.js", "text/javascript"),
}
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; frame-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
# A mail is somebody else's HTML: no scripts, an origin of its own, links open outside.
MAIL_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
    "style-src 'unsafe-inline'; img-src data: https:; frame-ancestors 'self'"
)


class MailboxApi:
    def __init__(self, mailbox: Mailbox, faults: Faults, send_api: SendApi) -> None:
        self._mailbox = mailbox
        self._faults = faults
        self._send_api = send_api

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/mails", self.list_mails),
            web.delete("/api/mails", self.clear),
            web.get("/api/mails/{id}", self.show_mail),
            web.get("/api/stats", self.stats),
            web.get("/api/faults", self.list_faults),
            web.post("/api/faults", self.add_fault),
            web.delete("/api/faults", self.clear_faults),
            web.delete("/api/faults/{id}", self.remove_fault),
            web.get("/mails/{id}.html", self.show_html),
            *(web.get(path, _page_file) for path in PAGE_FILES),
        ]

    async def list_mails(self, request: web.Request) -> web.Response:
        """`to`, `search`, `limit`; `wait` seconds for a mail if there is none (after `after`)."""
        query = request.query
        to, after = query.get("to"), query.get("after")
        try:
            limit, wait = int(query.get("limit", 50)), float(query.get("wait", 0))
        except ValueError:
            return _json({"error": "limit and wait must be numbers"}, status=400)
        if wait > 0:
            await self._wait(to, min(wait, LONGEST_WAIT), after)
        mails = self._mailbox.newest(to, limit=limit, after=after, search=query.get("search", ""))
        views = [MailView.of(mail) for mail in mails]
        return _json({"mails": views, "total": self._mailbox.count(to)})

    async def show_mail(self, request: web.Request) -> web.Response:
        return _json(MailView.of(self._mail(request)))

    async def show_html(self, request: web.Request) -> web.Response:
        view = MailView.of(self._mail(request))
        return web.Response(
            # In the frame itself, the page's policy would let no link of the mail lead anywhere.
            text=view.html.replace("<head>", '<head><base target="_blank">', 1),
            content_type="text/html",
            charset="utf-8",
            headers={"Content-Security-Policy": MAIL_POLICY, "Referrer-Policy": "no-referrer"},
        )

    async def clear(self, _request: web.Request) -> web.Response:
        self._mailbox.clear()
        self._send_api.reset_counts()
        return web.Response(status=204)

    async def stats(self, _request: web.Request) -> web.Response:
        return _json(
            {
                "requests": self._send_api.requests,
                "accepted": self._send_api.accepted,
                "refused": self._send_api.refused,
                "distinct_event_ids": self._mailbox.distinct_event_ids,
                "doubled": self._mailbox.doubled,
            }
        )

    async def list_faults(self, _request: web.Request) -> web.Response:
        return _json({"faults": self._faults.in_force()})

    async def add_fault(self, request: web.Request) -> web.Response:
        try:
            fault = msgspec.json.decode(await request.read(), type=Fault)
        except msgspec.DecodeError as error:
            return _json({"error": str(error)}, status=400)
        return _json({"id": self._faults.add(fault)}, status=201)

    async def remove_fault(self, request: web.Request) -> web.Response:
        known = self._faults.remove(request.match_info["id"])
        return web.Response(status=204 if known else 404)

    async def clear_faults(self, _request: web.Request) -> web.Response:
        self._faults.clear()
        return web.Response(status=204)

    async def _wait(self, to: str | None, seconds: float, after: str | None) -> None:
        try:
            await self._mailbox.wait_for(to, seconds, after=after)
        except TimeoutError:
            return

    def _mail(self, request: web.Request) -> Mail:
        mail = self._mailbox.get(request.match_info["id"])
        if mail is None:
            raise web.HTTPNotFound
        return mail


async def _page_file(request: web.Request) -> web.Response:
    name, content_type = PAGE_FILES[request.path]
    return web.Response(
        body=(PAGE / name).read_bytes(),
        content_type=content_type,
        charset="utf-8",
        headers={
            "Content-Security-Policy": PAGE_POLICY,
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-cache",
        },
    )


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json"
    )
