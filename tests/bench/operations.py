"""What people and services ask most, as requests that are made before they are sent."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from tests.bench import members
from tests.bench.members import from_somewhere
from tests.bench.registering import registration, verification
from tests.corner import Corner
from tests.load import Generator, wire
from tests.people import fresh_address
from tests.service_process import ServiceProcess
from tests.user_service.services import registered

# Below what registrations may hold of the hash queue.
PREPARING = 8
READERS = 64


@dataclass
class Operation:
    """`make` prepares so many requests, of which each may be sent once.

    `target` is what one may cost at most, as a multiple of a bare answer.
    """

    name: str
    make: Callable[[int], list[bytes]]
    target: float | None = None
    _left: list[bytes] = field(default_factory=list)

    def requests(self, many: int) -> list[bytes]:
        if (missing := many - len(self._left)) > 0:
            self._left += self.make(missing)
        taken, self._left = self._left[:many], self._left[many:]
        return taken

    def give_back(self, unsent: list[bytes]) -> None:
        self._left = unsent + self._left


@dataclass(frozen=True)
class Asking:
    """Makes requests to a service that runs in this corner, asking it for what they need."""

    generator: Generator
    corner: Corner
    service: ServiceProcess

    def operations(self) -> list[Operation]:
        return [
            Operation("register", registrations, 25),
            Operation("verify", self.verifications),
            Operation("login", self.log_ins, 18),
            self.profile(),
            Operation("refresh", self.refreshes, 12),
            self.introspect(),
        ]

    def log_ins(self, many: int) -> list[bytes]:
        return members.log_ins(self.corner, many)

    def verifications(self, many: int) -> list[bytes]:
        """The right code of as many new registrations."""
        addresses = [fresh_address() for _ in range(many)]
        asked = self._answers([registration(address, from_somewhere()) for address in addresses])
        return [
            verification(address, data["registration_id"], from_somewhere())
            for address, data in zip(addresses, asked, strict=True)
        ]

    def refreshes(self, many: int) -> list[bytes]:
        """Each is of a session of its own: a token is spent once."""
        return [
            wire("POST", "/api/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
            for tokens in self._answers(self.log_ins(many))
        ]

    def profile(self) -> Operation:
        """Readings of a few people's own accounts, over and over."""
        wires = [
            wire("GET", "/api/auth/profile", headers={"authorization": f"Bearer {token}"})
            for token in self._access_tokens()
        ]
        return Operation("profile", partial(_over_and_over, wires), 4.5)

    def introspect(self) -> Operation:
        """Another service asks about their tokens, over and over."""
        headers = {"authorization": registered(self.corner, self.service).basic}
        wires = [
            wire("POST", "/introspect", form={"token": token}, headers=headers)
            for token in self._access_tokens()
        ]
        return Operation("introspect", partial(_over_and_over, wires), 5)

    def _access_tokens(self) -> list[str]:
        return [tokens["token"] for tokens in self._answers(self.log_ins(READERS))]

    def _answers(self, requests: list[bytes]) -> list[dict[str, Any]]:
        answers = self.generator.all(self.service.url, requests, connections=PREPARING)
        refused = [answer for answer in answers if not 200 <= answer.status < 300]
        assert not refused, refused[0]
        return [msgspec.json.decode(answer.body)["data"] for answer in answers]


def registrations(many: int) -> list[bytes]:
    return [registration(fresh_address(), from_somewhere()) for _ in range(many)]


def _over_and_over(wires: list[bytes], many: int) -> list[bytes]:
    return list(itertools.islice(itertools.cycle(wires), many))
