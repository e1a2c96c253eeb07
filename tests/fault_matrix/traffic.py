"""A steady load: people who register, read their mail, verify and log in, and others who return."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import aiohttp
import msgspec

from dev_stack.mail_stand_in import Mail, MailStandIn, MailView
from tests.fault_matrix.ledger import AS_PROMISED, PROMPT_SECONDS, Arrival, Ledger, Seen
from tests.people import Person

# Longer than any answer may take, so that one that takes longer is seen.
ANSWER_SECONDS = 8.0
# Of who was not answered, and so not told when to come again.
RETRY_SECONDS = 0.5
# Well within the fifteen minutes for which the service's access tokens are good.
TOKEN_SECONDS = 600.0
EXPIRED = "code_expired"
CROSSED_SECONDS = 0.01
NOBODY_LISTENS = "nobody listens"
NOT_ASKED = "Can not write request body for {}"
PROBLEM = "application/problem+json"
PATHS = {
    "register": ("POST", "/api/auth/register"),
    "resend": ("POST", "/api/auth/resend-otp"),
    "verify": ("POST", "/api/auth/verify-otp"),
    "log in": ("POST", "/api/auth/login"),
    "profile": ("GET", "/api/auth/profile"),
}


class GaveUp(Exception):
    """Somebody was answered what no retry changes, or waited for too long."""


class Token(NamedTuple):
    """What somebody logged in for, at which moment."""

    text: str
    at: float


class Answer(NamedTuple):
    """What a request came to; the body of a success, or None and when to ask again."""

    seen: Seen
    body: dict[str, Any] | None = None
    retry_after: float = RETRY_SECONDS


@dataclass
class Traffic:
    """`rate` people a second register at one of `urls`, and as many return to log in.

    Whoever registers waits for the mail, and for each further success, up to `patience` seconds.
    Who has waited `resend_after` seconds for a mail asks for another, and so does then whose code
    has expired. Who has one reads it for `thinking` seconds. Where a request `crosses` the end of a
    connection that was kept, it is sent again, as browsers do.
    """

    http: aiohttp.ClientSession
    urls: Sequence[str]
    sendgrid: MailStandIn
    ledger: Ledger
    patience: float
    rate: float = 20.0
    resend_after: float | None = None
    thinking: float = 0.0
    crosses: bool = False
    _tokens: dict[str, Token] = field(default_factory=dict)
    _enough: asyncio.Event = field(default_factory=asyncio.Event)
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)
    _turns: itertools.count[int] = field(default_factory=itertools.count)

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """People keep coming as long as this lasts, and then whoever is there goes on to the end.

        When it ends by an exception, so does everybody's journey.
        """
        load = asyncio.create_task(self.flow())
        try:
            yield
            self.ebb()
            await load
            await self.settle()
        finally:
            for task in (load, *self._under_way):
                task.cancel()

    async def flow(self) -> None:
        """People keep coming until `ebb`, however slowly they are served."""
        due = time.monotonic()
        while not self._enough.is_set():
            self.comes(Person())
            self._begin(self._regular())
            due += 1 / self.rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    def ebb(self) -> None:
        """Nobody comes any more; who is there goes on."""
        self._enough.set()

    def burst(self, people: int) -> None:
        """So many register at once, besides those who come anyway."""
        for _ in range(people):
            self.comes(Person())

    def comes(self, person: Person) -> None:
        """This person registers, now."""
        self._begin(self._newcomer(person))

    async def settle(self) -> None:
        """Wait until everybody has arrived or given up."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def all_log_in(self, most: int) -> list[str]:
        """Of those who have an account, who cannot log in at the end; at most so many are asked."""
        created = list(self.ledger.created)
        asked = random.sample(created, most) if len(created) > most else created
        return [
            address for address in asked if await self._log_in(self.ledger.people[address]) is None
        ]

    def _begin(self, journey: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(journey)
        self._under_way.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, journey: asyncio.Task[None]) -> None:
        self._under_way.discard(journey)
        error = None if journey.cancelled() else journey.exception()
        # Of who gave up the ledger has what was said; of anything else nobody would learn.
        if error and not isinstance(error, GaveUp):
            self.ledger.astray.append(repr(error))

    async def _newcomer(self, person: Person) -> None:
        ledger = self.ledger
        answer = (await self._once("register", person, json=person.registration())).body
        if answer is None:
            return  # nothing was promised
        registration_id = answer["data"]["registration_id"]
        ledger.people[person.email] = person
        ledger.acknowledged[person.email] = registration_id
        mail = await self._mail(person, registration_id)
        await asyncio.sleep(self.thinking)
        verified = await self._verify(person, registration_id, mail)
        ledger.created[person.email] = verified["data"]["user"]["id"]
        logged_in = await self._until_done("log in", person, json=person.credentials())
        token = self._logged_in(person, logged_in)
        await self._until_done("profile", person, token=token)

    async def _mail(self, person: Person, registration_id: str) -> Mail:
        try:
            mail = await self._arrival(person, self.resend_after or self.patience)
        except GaveUp:
            if self.resend_after is None:
                raise
            return await self._another(person, registration_id)
        # Who had to wait looks again some time later, not all in the same moment.
        waited = self.ledger.arrivals[-1].seconds
        await asyncio.sleep(random.uniform(0, waited) if waited > PROMPT_SECONDS else 0)
        return mail

    async def _another(
        self, person: Person, registration_id: str, after: str | None = None
    ) -> Mail:
        self.ledger.resent.add(person.email)
        await self._until_done("resend", person, json={"registration_id": registration_id})
        return await self._arrival(person, self.patience, after)

    async def _arrival(self, person: Person, seconds: float, after: str | None = None) -> Mail:
        began = time.monotonic()
        try:
            mail = await self.sendgrid.mailbox.wait_for(person.email, seconds, after=after)
        except TimeoutError:
            raise GaveUp("no mail") from None
        now = time.monotonic()
        self.ledger.arrivals.append(Arrival(now, now - began))
        return mail

    async def _verify(self, person: Person, registration_id: str, mail: Mail) -> dict[str, Any]:
        proof = {"email": person.email, "registration_id": registration_id}
        code = MailView.of(mail).code
        try:
            return await self._until_done("verify", person, json=proof | {"otp": code})
        except GaveUp as last:
            if self.resend_after is None or EXPIRED not in str(last):
                raise
        mail = await self._another(person, registration_id, after=mail.id)
        code = MailView.of(mail).code
        return await self._until_done("verify", person, json=proof | {"otp": code})

    async def _regular(self) -> None:
        created = list(self.ledger.created)
        if not created:
            return
        person = self.ledger.people[random.choice(created)]
        # Who cannot log in has a token that was given before.
        token = await self._log_in(person) or self._token_of(person)
        if token is not None:
            await self._once("profile", person, token=token)

    async def _log_in(self, person: Person) -> str | None:
        answer = (await self._once("log in", person, json=person.credentials())).body
        return None if answer is None else self._logged_in(person, answer)

    def _logged_in(self, person: Person, answer: dict[str, Any]) -> str:
        token = Token(answer["data"]["token"], time.monotonic())
        self.ledger.logins[person.email] += 1
        self._tokens[person.email] = token
        return token.text

    def _token_of(self, person: Person) -> str | None:
        token = self._tokens.get(person.email)
        return token.text if token and time.monotonic() - token.at < TOKEN_SECONDS else None

    async def _until_done(self, step: str, person: Person, **request: Any) -> dict[str, Any]:
        deadline = time.monotonic() + self.patience
        while True:
            last, body, retry_after = await self._once(step, person, **request)
            if body is not None:
                return body
            if time.monotonic() > deadline or last.status not in (0, 503):
                raise GaveUp(last.said)
            await asyncio.sleep(retry_after * random.uniform(1, 1.5))

    async def _once(
        self, step: str, person: Person, *, json: Any = None, token: str | None = None
    ) -> Answer:
        """Ask, and write down what came of it."""
        headers = {"x-forwarded-for": person.network}
        if token:
            headers["authorization"] = f"Bearer {token}"
        answer = await self._asked(step, json, headers)
        self.ledger.seen.append(answer.seen)
        return answer

    async def _asked(self, step: str, json: Any, headers: dict[str, str]) -> Answer:
        """Who is refused a connection tries the next service at once."""
        method, path = PATHS[step]
        first = next(self._turns) % len(self.urls)
        for url in (*self.urls[first:], *self.urls[:first]):
            began = time.monotonic()
            try:
                async with self.http.request(
                    method, url + path, json=json, headers=headers
                ) as answer:
                    return _read(step, began, answer, await answer.read())
            except aiohttp.ClientConnectorError:
                continue
            except (aiohttp.ClientError, TimeoutError) as error:
                if str(error).endswith(NOT_ASKED.format(url + path)):
                    continue  # a connection that was kept open has ended in the meantime
                if self.crosses and _crossed(began, error):
                    self.ledger.crossed += 1
                    continue
                return _unanswered(step, began, repr(error))
        return _unanswered(step, began, NOBODY_LISTENS)


def _crossed(began: float, error: Exception) -> bool:
    """Whether a kept connection was being ended when a request was sent over it: HTTP/1.1 cannot
    tell, but work on a request takes longer."""
    at_once = time.monotonic() - began < CROSSED_SECONDS
    return at_once and isinstance(error, aiohttp.ServerDisconnectedError)


def _read(step: str, began: float, answer: aiohttp.ClientResponse, content: bytes) -> Answer:
    """Whatever it says: an answer that cannot be read is one that is not proper."""
    try:
        body = msgspec.json.decode(content, type=dict[str, Any])
    except msgspec.DecodeError:
        body = None
    seconds, succeeded = time.monotonic() - began, answer.status == AS_PROMISED[step]
    proper = body is not None and (succeeded or _is_proper_refusal(answer))
    said = "" if succeeded and proper else content.decode("utf-8", "replace")[:300]
    seen = Seen(step, began, seconds, answer.status, proper, said)
    if succeeded:
        return Answer(seen, body)
    return Answer(seen, retry_after=_retry_after(answer) or RETRY_SECONDS)


def _is_proper_refusal(answer: aiohttp.ClientResponse) -> bool:
    return answer.content_type == PROBLEM and 1 <= _retry_after(answer) <= 60


def _retry_after(answer: aiohttp.ClientResponse) -> int:
    after = answer.headers.get("retry-after", "")
    return int(after) if after.isdigit() else 0


def _unanswered(step: str, began: float, why: str) -> Answer:
    return Answer(Seen(step, began, time.monotonic() - began, 0, said=why))
