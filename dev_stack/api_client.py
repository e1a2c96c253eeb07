"""Gatepost's HTTP contract and the mailbox, as somebody outside sees them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import aiohttp


@dataclass(frozen=True)
class Answer:
    """`seconds` is how long it took, `retry_after` what the service asked to wait, if it did."""

    method: str
    path: str
    sent: dict[str, Any] | None
    status: int
    body: dict[str, Any]
    seconds: float
    retry_after: float | None = None

    @property
    def data(self) -> dict[str, Any]:
        found = self.body.get("data")
        return found if isinstance(found, dict) else {}

    @property
    def problem(self) -> str:
        return f"{self.status} {self.body.get('code', '')}: {self.body.get('detail', self.body)}"


@dataclass(frozen=True)
class ApiClient:
    """Calls the service at `base_url`; `mailbox_url` is the stand-in that takes its mails."""

    http: aiohttp.ClientSession
    base_url: str
    mailbox_url: str

    async def call(
        self,
        method: str,
        path: str,
        sent: dict[str, Any] | None = None,
        *,
        token: str | None = None,
        client_address: str | None = None,
    ) -> Answer:
        """One request; raises aiohttp.ClientError or TimeoutError when there is no answer."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if client_address:
            headers["X-Forwarded-For"] = client_address
        began = time.perf_counter()
        async with self.http.request(
            method, f"{self.base_url}{path}", json=sent, headers=headers
        ) as response:
            body = await response.json(content_type=None)
            retry_after = response.headers.get("Retry-After")
        return Answer(
            method=method,
            path=path,
            sent=sent,
            status=response.status,
            body=body,
            seconds=time.perf_counter() - began,
            retry_after=float(retry_after) if retry_after else None,
        )

    async def mails(self, address: str, *, wait: float = 0) -> tuple[list[dict[str, Any]], int]:
        """The newest mails to `address` and how many there were; waits for the first if asked."""
        query = {"to": address, "wait": str(wait)}
        async with self.http.get(f"{self.mailbox_url}/api/mails", params=query) as response:
            found = await response.json()
        return found["mails"], found["total"]

    async def code(self, address: str, *, within: float = 60) -> str | None:
        """The code of the newest mail to `address`, or None when no mail came in time."""
        mails, _ = await self.mails(address, wait=within)
        return str(mails[0]["code"]) if mails and mails[0]["code"] else None
