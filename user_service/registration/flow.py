"""Registering: start an attempt, ask for another code, verify one."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Literal
from uuid import UUID, uuid4

import msgspec
import structlog
from msgspec import Struct

from shared.emails import OtpEmail
from user_service.accounts.created import NewAccount, create_account
from user_service.audit.audit_store import Actor
from user_service.errors import (
    AddressTaken,
    CodeExpired,
    GuessesSpent,
    InvalidFields,
    RegistrationIdRequired,
    TooManyRequests,
    Unavailable,
    UsernameTaken,
)
from user_service.identity import account_store
from user_service.identity.account_store import Account
from user_service.identity.addresses import canonical_address
from user_service.identity.challenge_mail import ChallengeMail
from user_service.identity.challenge_store import (
    Challenges,
    Checked,
    Guess,
    Issued,
    Outcome,
    Snapshot,
)
from user_service.identity.names import canonical_username, display_name
from user_service.identity.new_passwords import NewPasswords
from user_service.identity.password_policy import normalized
from user_service.identity.passwords import Passwords
from user_service.storage.postgres import Database
from user_service.storage.rate_limits import Client, MailShare, RateLimits

log = structlog.get_logger()


class Wish(Struct, frozen=True, kw_only=True):
    """What somebody typed to register."""

    name: str
    email: str
    password: str
    username: str | None


class Candidate(Struct, frozen=True, kw_only=True):
    """The same, canonical and acceptable by itself."""

    name: str
    address: str
    password: str
    username: str | None


@dataclass(frozen=True, slots=True)
class Registration:
    db: Database
    challenges: Challenges
    mail: ChallengeMail
    limits: RateLimits
    passwords: Passwords
    new_passwords: NewPasswords
    unbound_verify: Literal["single", "never"]

    @property
    def lifetime(self) -> int:
        """Seconds for which an attempt takes codes."""
        return self.challenges.times.challenge

    async def start(self, wish: Wish, client: Client) -> Issued:
        """Open an attempt of its own and have its code mailed.

        A taken address costs the same work and is answered alike: its owner gets a truthful mail,
        and the attempt refuses every guess. Raises InvalidFields, TooManyRequests, UsernameTaken,
        Unavailable.
        """
        try:
            self.passwords.require_room(yielding=True)
            # First of all: judging an address or a password costs more than refusing a network.
            await self.limits.spend("register", client)
            candidate = await self._judged(wish)
            return await self._start(candidate, client)
        except (TooManyRequests, UsernameTaken, Unavailable):
            await self._remember_refusal(wish.email)
            raise

    async def resend(self, registration_id: str, client: Client) -> Issued:
        """Mail a new code for an attempt, which keeps its count of wrong ones.

        Raises CodeExpired, GuessesSpent, TooManyRequests, Unavailable.
        """
        self.mail.require_reachable()
        await self.limits.spend("resend", client)
        seen = await self.challenges.look(registration_id)
        if seen is None:
            raise CodeExpired
        share = await self.limits.spend_mail(client, "register", seen.address)
        if not seen.takes_codes:
            await self.limits.give_back(share)
            raise GuessesSpent
        try:
            issued, taken = await self._renew(registration_id, seen)
        except Unavailable:
            await self.limits.give_back(share)
            raise
        if issued is None:
            raise TooManyRequests(retry_after=1)  # the same request, sent twice at once
        await self._mail(issued, seen.address, share, taken=taken, opened=False)
        return issued

    async def verify(
        self, registration_id: str | None, email: str, code: str, client: Client
    ) -> Account:
        """The account that the attempt's own registration described.

        The same request succeeds again for ten minutes, without a second row or event. Raises
        WrongCode, GuessesSpent, CodeExpired, RegistrationIdRequired, AddressTaken, Unavailable.
        """
        await self.limits.spend("verify", client)
        address = canonical_address(email)
        if registration_id is None:
            checked = await self._check_bare(address, code)
        else:
            checked = await self.challenges.check(Guess(registration_id, address, code))
        checked.require_right()
        if checked.outcome is Outcome.COMMITTED:
            return await self._committed(UUID(checked.content.decode()))
        return await self._commit(checked, address, Actor.oneself(client.address))

    async def _remember_refusal(self, email: str) -> None:
        """Who was refused may take a stranger's mail for theirs: a bare code must not do then."""
        if self.unbound_verify == "never":
            return  # it never does
        with suppress(InvalidFields, Unavailable):
            await self.challenges.refused(canonical_address(email))

    async def _judged(self, wish: Wish) -> Candidate:
        candidate = Candidate(
            name=display_name(wish.name),
            address=canonical_address(wish.email),
            password=normalized(wish.password),
            username=None if wish.username is None else canonical_username(wish.username),
        )
        await self.new_passwords.require(
            candidate.password, address=candidate.address, name=candidate.name
        )
        return candidate

    async def _start(self, candidate: Candidate, client: Client) -> Issued:
        self.mail.require_reachable()
        share = await self.limits.spend_mail(client, "register", candidate.address)
        try:
            issued, taken = await self._open(candidate)
        except (UsernameTaken, Unavailable):
            await self.limits.give_back(share)
            raise
        await self._mail(issued, candidate.address, share, taken=taken, opened=True)
        return issued

    async def _open(self, candidate: Candidate) -> tuple[Issued, bool]:
        async with self.db.connection() as connection:
            found = await account_store.availability(
                connection, candidate.address, candidate.username
            )
        if found.username_taken:
            raise UsernameTaken
        new = NewAccount(
            id=uuid4(),
            name=candidate.name,
            username=candidate.username,
            password_hash=await self.passwords.hash(candidate.password),
        )
        issued = await self.challenges.open(
            candidate.address, msgspec.json.encode(new), sealed=found.address_taken
        )
        return issued, found.address_taken

    async def _renew(self, registration_id: str, seen: Snapshot) -> tuple[Issued | None, bool]:
        async with self.db.connection() as connection:
            taken = (await account_store.availability(connection, seen.address, None)).address_taken
        return await self.challenges.renew(registration_id, seen, sealed=taken), taken

    async def _mail(
        self, issued: Issued, address: str, share: MailShare, *, taken: bool, opened: bool
    ) -> None:
        email: OtpEmail = "address-taken" if taken else "one-time-code"
        await self.mail.request(email, address, issued, share, opened=opened)

    async def _check_bare(self, address: str, code: str) -> Checked:
        if self.unbound_verify == "never":
            raise RegistrationIdRequired
        return await self.challenges.check_bare(address, code)

    async def _commit(self, checked: Checked, address: str, by: Actor) -> Account:
        new = msgspec.json.decode(checked.content, type=NewAccount)
        async with self.db.transaction() as tx:
            account = await create_account(tx, new, address, by)
        if account is None:
            raise AddressTaken
        try:
            await self.challenges.settle(checked.challenge_id, str(account.id))
        except Unavailable:
            # The account stands; a retry finds the challenge verified and the account created.
            log.warning("challenge_not_settled", user_id=str(account.id))
        return account

    async def _committed(self, account_id: UUID) -> Account:
        async with self.db.connection() as connection:
            account = await account_store.find(connection, account_id)
        if account is None:
            raise CodeExpired
        return account
