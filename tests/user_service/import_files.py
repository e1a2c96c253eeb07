"""Files of users as no careful person writes them, and a ledger of what must become of each row.

The ledger knows nothing of our code: it is kept while the rows are written.
"""

from __future__ import annotations

import random
import secrets
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.people import PASSWORD
from tests.user_service.foreign_digests import digests_of

HEADER = (
    "id,first_name,last_name,username,primary_email_address,primary_phone_number,"
    "verified_email_addresses,unverified_email_addresses,verified_phone_numbers,"
    "unverified_phone_numbers,totp_secret,password_digest,password_hasher,created_at"
)
DIGEST = digests_of(PASSWORD)["bcrypt 2a"]
OUTRAGEOUS = "$2a$31$" + DIGEST[7:]
QUOTED = '"{}"'


@dataclass
class Person:
    """Who must be there at the end."""

    clerk_id: str
    made_account: bool = True
    username: str | None = None
    has_password: bool = True


@dataclass
class ClerkFile:
    """Rows of every kind; `people` by address, `counts` by outcome and reason."""

    tag: str = field(default_factory=lambda: secrets.token_hex(3))
    rows: list[bytes] = field(default_factory=list)
    people: dict[str, Person] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    random: random.Random = field(default_factory=lambda: random.Random(20261121))
    settled: list[str] = field(default_factory=list)
    number: int = 0

    def write(self, path: Path, ending: bytes = b"\r\n") -> Path:
        lines = [b"\xef\xbb\xbf" + HEADER.encode(), *self.rows]
        path.write_bytes(ending.join(lines) + ending)
        return path

    def fill(self, many: int) -> ClerkFile:
        """Rows of all kinds, the usual one the most; the accounts in `settled` are linked first."""
        for address in self.settled:
            self._add(address, person=Person(self._id(), made_account=False, has_password=False))
            self.counts["linked"] += 1
        kinds = [self.usual] * 30 + [
            self.quoted,
            self.several_addresses,
            self.name_over_two_lines,
            self.hostile_digest,
            self.no_digest,
            self.taken_username,
            self.unverified,
            self.without_address,
            self.broken_address,
            self.same_address,
            self.same_id,
            self.same_row,
            self.without_id,
            self.nul,
            self.no_utf_8,
            self.open_quote,
            self.too_few_cells,
            self.too_many_cells,
            self.blank_line,
            self.steering_name,
        ]
        for _ in range(many):
            self.random.choice(kinds)()
        self.long_line()
        self.huge_name()
        return self

    # -- each writes a row and says what must become of it ----------------------------------------

    def usual(self) -> None:
        username = self._tagged("n") if self.number % 3 == 0 else None
        self._created(username=username)

    def quoted(self) -> None:
        self._created(first='"Ann ""the, best"" B."', last="O’Brien")

    def several_addresses(self) -> None:
        address = self._address()
        separator = self.random.choice("|,")
        verified = QUOTED.format(f"other-{address} {separator} {address.upper()}")
        self._created(address=address, verified=verified)

    def name_over_two_lines(self) -> None:
        self.counts["name not acceptable"] += 1
        self._created(first='"Ann\nBcc: all@example.org"')

    def steering_name(self) -> None:
        self.counts["name not acceptable"] += 1
        self._created(first="\x1b]0;owned\x07<script>")

    def hostile_digest(self) -> None:
        self.counts["digest"] += 1
        self._created(digest=OUTRAGEOUS, has_password=False)

    def no_digest(self) -> None:
        self._created(digest="", has_password=False)

    def taken_username(self) -> None:
        others = [person.username for person in self.people.values() if person.username]
        if others:
            self.counts["username taken"] += 1
            self._created(wish=self.random.choice(others).upper())

    def unverified(self) -> None:
        self._skipped("address not verified", self._row(self._id(), self._address(), verified="x"))

    def without_address(self) -> None:
        self._skipped("no address", self._row(self._id(), ""))

    def broken_address(self) -> None:
        self._skipped("address not acceptable", self._row(self._id(), "no one@example..org"))

    def same_address(self) -> None:
        if self.people:
            address = self.random.choice(list(self.people))
            reason = "account stands for another user of Clerk"
            self._skipped(reason, self._row(self._id(), address))

    def same_id(self) -> None:
        if self.people:
            address = self.random.choice(list(self.people))
            self._again(address)
            self.rows.append(self._row(self.people[address].clerk_id, self._address()))

    def same_row(self) -> None:
        if self.people:
            address = self.random.choice(list(self.people))
            self._again(address)
            self.rows.append(self._row(self.people[address].clerk_id, address.upper()))

    def _again(self, address: str) -> None:
        """Whoever came without a password has one by the row that brings it."""
        person = self.people[address]
        if person.made_account and not person.has_password:
            self.counts["completed"] += 1
            self.people[address] = replace(person, has_password=True)
        else:
            self.counts["already_here"] += 1

    def without_id(self) -> None:
        self._malformed(self._row("user ' 1", self._address()))

    def nul(self) -> None:
        self._malformed(self._row(self._id(), self._address(), first="A\0nn"))

    def no_utf_8(self) -> None:
        self._malformed(
            self._row(self._id(), self._address(), first="Zoé").decode().encode("latin-1")
        )

    def open_quote(self) -> None:
        self._malformed(self._row(self._id(), self._address(), first='"Ann'))

    def too_few_cells(self) -> None:
        self._malformed(f"{self._id()},Ann,Example".encode())

    def too_many_cells(self) -> None:
        self._malformed(self._row(self._id(), self._address()) + b",more")

    def blank_line(self) -> None:
        self.rows.append(b"")

    def long_line(self) -> None:
        self._malformed(self._row(self._id(), self._address(), first="A" * 2**24))

    def huge_name(self) -> None:
        self.counts["name not acceptable"] += 1
        self._created(first="A" * 60_000)

    # -- what they share --------------------------------------------------------------------------

    def _created(
        self,
        *,
        address: str | None = None,
        verified: str | None = None,
        first: str = "Ann",
        last: str = "Example",
        username: str | None = None,
        wish: str = "",
        digest: str = DIGEST,
        has_password: bool = True,
    ) -> None:
        address = address or self._address()
        person = Person(self._id(), username=username, has_password=has_password)
        self.counts["created"] += 1
        self._add(
            address,
            person=person,
            verified=verified,
            first=first,
            last=last,
            wish=username or wish,
            digest=digest,
        )

    def _add(self, address: str, *, person: Person, **cells: str | None) -> None:
        self.people[address] = person
        self.rows.append(self._row(person.clerk_id, address, **cells))

    def _skipped(self, reason: str, row: bytes) -> None:
        self.counts["skipped"] += 1
        self.counts[reason] += 1
        self.rows.append(row)

    def _malformed(self, row: bytes) -> None:
        self.counts["malformed"] += 1
        self.rows.append(row)

    def _row(
        self,
        id: str,
        address: str,
        *,
        verified: str | None = None,
        first: str | None = "Ann",
        last: str | None = "Example",
        wish: str | None = "",
        digest: str | None = DIGEST,
    ) -> bytes:
        proven = address if verified is None else verified
        cells = f"{id},{first},{last},{wish},{address},,{proven},,,,,{digest},bcrypt,"
        return f"{cells}2024-03-01T10:00:00Z".encode()

    def _id(self) -> str:
        return "user_" + self._tagged("c")

    def _address(self) -> str:
        return self._tagged("p") + "@example.org"

    def _tagged(self, kind: str) -> str:
        self.number += 1
        return f"{kind}{self.tag}-{self.number}"
