"""One person's way from the form to the profile."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from dev_stack.api_client import Answer, ApiClient
from dev_stack.demo.people import Person

MAIL_WITHIN = 60.0
MOST_TRIES = 20
LONGEST_PAUSE = 10.0

STEPS = ("register", "mail", "verify", "log in", "profile")


@dataclass
class Tally:
    """What all journeys have come to: `reached` counts people, `seconds` are of each step."""

    reached: Counter[str] = field(default_factory=Counter)
    retried: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, list[float]] = field(default_factory=lambda: {step: [] for step in STEPS})
    registered: list[Person] = field(default_factory=list)
    problems: Counter[str] = field(default_factory=Counter)

    def done(self, step: str, seconds: float) -> None:
        self.reached[step] += 1
        self.seconds[step].append(seconds)


class Refused(Exception):
    """A step was answered with something that retrying does not change."""


@dataclass(frozen=True)
class Journey:
    client: ApiClient
    tally: Tally

    async def travel(self, person: Person) -> None:
        """Register, read the code, verify, log in, read the profile; count how far it got."""
        try:
            await self._travel(person)
        except (Refused, aiohttp.ClientError, TimeoutError) as error:
            self.tally.problems[str(error) or type(error).__name__] += 1

    async def _travel(self, person: Person) -> None:
        attempt = await self._step("register", person, "register", person.registration)
        self.tally.registered.append(person)

        began = time.perf_counter()
        code = await self.client.code(person.email, within=MAIL_WITHIN)
        if code is None:
            raise Refused("no mail came")
        self.tally.done("mail", time.perf_counter() - began)

        proof = {"otp": code, "registration_id": attempt.data["registration_id"]}
        await self._step("verify", person, "verify-otp", {"email": person.typed_email, **proof})

        credentials = {"email": person.typed_email, "password": person.password}
        logged_in = await self._step("log in", person, "login", credentials)

        token = logged_in.data["token"]
        profile = await self._step("profile", person, "profile", token=token)
        if profile.data["user"]["name"] != person.name:
            raise Refused("the profile shows another name")

    async def _step(
        self,
        step: str,
        person: Person,
        path: str,
        sent: dict[str, Any] | None = None,
        token: str | None = None,
    ) -> Answer:
        """One answered request, after as many retries as 503 asks for; raises Refused."""
        method = "POST" if sent else "GET"
        for _ in range(MOST_TRIES):
            answer = await self.client.call(
                method,
                f"/api/auth/{path}",
                sent,
                token=token,
                client_address=person.client_address,
            )
            if answer.status != 503:
                break
            self.tally.retried[step] += 1
            await asyncio.sleep(min(answer.retry_after or 1.0, LONGEST_PAUSE))
        if answer.status >= 300:
            raise Refused(f"{step}: {answer.problem}")
        self.tally.done(step, answer.seconds)
        return answer
