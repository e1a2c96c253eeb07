"""What people, services and administrators ask for, each time about somebody else."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.bench.registering import registration, verification
from tests.bench.scale import crowd
from tests.bench.scale.town import Caller, Inhabitant
from tests.load import Generator, wire
from tests.people import PASSWORD, fresh_address

CALLERS = 32
ADMINISTRATORS = 4
MORE_MATCH = "One page of as many times more matches: it is the newest of them that is asked for."

Ask = Callable[[Caller, Inhabitant], bytes]


@dataclass(frozen=True)
class Errand:
    """`ask` writes one person's request; `of_clerk` is whether Clerk must know that person.

    `at_once` is how many ask at a time when many do. `why` explains what costs more in a big
    installation; that is asked for less often.
    """

    name: str
    ask: Ask
    of_clerk: bool = False
    at_once: int = CALLERS
    why: str = ""

    def requests(self, caller: Caller, many: int) -> list[bytes]:
        people = caller.town.people(many, of_clerk=self.of_clerk)
        return [self.ask(caller, person) for person in itertools.islice(people, many)]


def profile(caller: Caller, person: Inhabitant) -> bytes:
    return wire("GET", "/api/auth/profile", headers=caller.bearer(person))


def sessions(caller: Caller, person: Inhabitant) -> bytes:
    return wire("GET", "/api/auth/sessions", headers=caller.bearer(person))


def introspect(caller: Caller, person: Inhabitant) -> bytes:
    return wire("POST", "/introspect", form={"token": caller.token(person)}, headers=caller.basic)


def login(_: Caller, person: Inhabitant) -> bytes:
    return wire("POST", "/api/auth/login", json={"email": person.email, "password": PASSWORD})


def refresh(caller: Caller, person: Inhabitant) -> bytes:
    token = caller.refresh_token(person)
    return wire("POST", "/api/auth/refresh", json={"refresh_token": token})


def register(_: Caller, __: Inhabitant) -> bytes:
    return registration(fresh_address())


def rename(caller: Caller, person: Inhabitant) -> bytes:
    return wire("PATCH", "/api/auth/profile", json={"name": "Ann"}, headers=caller.bearer(person))


def logout(caller: Caller, person: Inhabitant) -> bytes:
    return wire("POST", "/api/auth/logout", headers=caller.bearer(person))


def recover(_: Caller, person: Inhabitant) -> bytes:
    return wire("POST", "/api/auth/password-recovery", json={"email": person.email})


def delete(caller: Caller, person: Inhabitant) -> bytes:
    password = {"password": PASSWORD}
    return wire("DELETE", "/api/auth/profile", json=password, headers=caller.bearer(person))


def by_address(caller: Caller, person: Inhabitant) -> bytes:
    return wire("GET", f"/api/admin/users?search={person.email}", headers=caller.admin)


def by_beginning(caller: Caller, person: Inhabitant) -> bytes:
    beginning, _, _ = person.email.partition("@")
    return wire("GET", f"/api/admin/users?search={beginning}", headers=caller.admin)


def common_name(caller: Caller, person: Inhabitant) -> bytes:
    beginning = person.email.rstrip("@.abcdefghijklmnopqrstuvwxyz").rstrip("0123456789")
    return wire("GET", f"/api/admin/users?search={beginning}", headers=caller.admin)


def disabled(caller: Caller, person: Inhabitant) -> bytes:
    path = f"/api/admin/users?status=disabled&search={person.email[0]}"
    return wire("GET", path, headers=caller.admin)


def imported(caller: Caller, _: Inhabitant) -> bytes:
    return wire("GET", f"/api/admin/users?search={crowd.IMPORTED}", headers=caller.admin)


def by_clerk_id(caller: Caller, person: Inhabitant) -> bytes:
    return wire("GET", f"/api/users/by-clerk-id/{person.clerk_id}", headers=caller.basic)


@dataclass(frozen=True)
class Verification:
    """Of registrations made for it."""

    generator: Generator
    name: str = "verify a code"
    at_once: int = CALLERS
    why: str = ""

    def requests(self, caller: Caller, many: int) -> list[bytes]:
        addresses = [fresh_address() for _ in range(many)]
        asked = [registration(address) for address in addresses]
        answers = self.generator.all(caller.service.url, asked, connections=16)
        ids = [json.loads(answer.body)["data"]["registration_id"] for answer in answers]
        return [verification(address, id) for address, id in zip(addresses, ids, strict=True)]


def errands(generator: Generator) -> Iterator[Errand | Verification]:
    yield Errand("read a profile", profile)
    yield Errand("list one's sessions", sessions)
    yield Errand("introspect a token", introspect)
    yield Errand("refresh", refresh)
    yield Errand("log in (cheapest Argon2)", login)
    yield Errand("register (cheapest Argon2)", register)
    yield Verification(generator)
    for name, ask, why in (
        ("admin: search by address", by_address, ""),
        ("admin: search by what stands before the @", by_beginning, ""),
        ("admin: search a common name", common_name, MORE_MATCH),
        ("admin: search the disabled of a common beginning", disabled, MORE_MATCH),
        ("admin: search what only the oldest 1 % have", imported, MORE_MATCH),
    ):
        yield Errand(name, ask, at_once=ADMINISTRATORS, why=why)
    yield Errand("user by Clerk's id", by_clerk_id, of_clerk=True)


def changes(generator: Generator) -> Iterator[Errand | Verification]:
    """What writes anything; the last two can be done once by everybody."""
    yield Errand("refresh", refresh)
    yield Errand("log in from an unknown device", login)
    yield Verification(generator)
    yield Errand("change the name", rename)
    yield Errand("ask for a recovery code", recover)
    yield Errand("log out", logout)
    yield Errand("delete the account", delete)
