"""Other services, with credentials that the command line gave them."""

from __future__ import annotations

import json
import subprocess
from base64 import b64encode
from dataclasses import dataclass
from secrets import token_hex

import httpx

from tests import forked
from tests.corner import Corner
from tests.service_process import ServiceProcess


@dataclass(frozen=True)
class OtherService:
    id: str
    secret: str
    url: str

    @property
    def basic(self) -> str:
        """The credentials as an Authorization header."""
        return "Basic " + b64encode(f"{self.id}:{self.secret}".encode()).decode()

    def introspect(self, token: str, **more: str) -> httpx.Response:
        return self.ask("/introspect", token, **more)

    def revoke(self, token: str, **more: str) -> httpx.Response:
        return self.ask("/revoke", token, **more)

    def ask(self, path: str, token: str, **more: str) -> httpx.Response:
        form = {"token": token, **more}
        return httpx.post(self.url + path, data=form, auth=(self.id, self.secret), timeout=10)


def command(corner: Corner, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m user_service …` in this corner."""
    return forked.ran("user_service", *arguments, variables=corner.variables)


def registered(corner: Corner, service: ServiceProcess) -> OtherService:
    """A service that may introspect and revoke."""
    name = f"billing-{token_hex(4)}"
    added = command(corner, "clients", "add", name, "--json")
    assert added.returncode == 0, added.stderr
    made = json.loads(added.stdout)
    return OtherService(made["client_id"], made["client_secret"], service.url)
