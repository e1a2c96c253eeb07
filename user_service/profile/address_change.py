"""Moving to another email address: prove the password, then the code that was mailed to it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import msgspec
import structlog
from msgspec.structs import replace

from shared.emails import OtpEmail
from user_service.accounts.address_changed import begin_change, change_address
from user_service.accounts.reauthentication import Reauthentication
from user_service.audit.audit_store import Actor
from user_service.errors import AddressTaken, CodeExpired, InvalidFields, Unavailable
from user_service.identity import account_store, address_store
from user_service.identity.access_tokens import Claims
from user_service.identity.account_store import Account, Credentials, Standing
from user_service.identity.addresses import canonical_address
from user_service.identity.callers import account_behind, lock_behind
from user_service.identity.challenge_mail import ChallengeMail
from user_service.identity.challenge_store import Challenges, Checked, Guess, Issued, Outcome
from user_service.storage.postgres import Database
from user_service.storage.rate_limits import Client, MailShare, RateLimits

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class AddressChange:
    db: Database
    reauthentication: Reauthentication
    challenges: Challenges
    mail: ChallengeMail
    limits: RateLimits

    async def ask(self, claims: Claims, email: str, password: str, client: Client) -> Issued:
        """Have a code mailed to the new address; a change that was begun before is dead by it.

        A taken address costs the same work and is answered alike: its owner gets a truthful mail,
        and the challenge refuses every guess. Raises InvalidFields, TokenRejected, WrongPassword,
        TooManyRequests, Unavailable.
        """
        await self.limits.spend("recovery", client)
        address = canonical_address(email, field="new_email")
        self.mail.require_reachable()
        proven = await self.reauthentication.require(claims, password, client)
        if address == proven.account.email:
            raise InvalidFields(new_email="This is your address already.")
        share = await self.limits.spend_mail(client, "change-email", address)
        issued = await self._mailed(address, proven.standing, share)
        # Only now: a request that could not be mailed leaves the change that was begun before.
        await self._begin(claims, proven, issued.challenge_id, Actor.oneself(client.address))
        return issued

    async def verify(
        self, claims: Claims, change_id: str | None, code: str, client: Client
    ) -> Account:
        """The account at its new address; the old one is told too.

        The same request succeeds again for ten minutes, without a second event. Raises
        TokenRejected, WrongCode, GuessesSpent, CodeExpired, AddressTaken, TooManyRequests,
        Unavailable.
        """
        await self.limits.spend("verify", client)
        id = await self._current(claims, change_id)
        seen = await self.challenges.look(id)
        if seen is None:
            raise CodeExpired
        checked = await self.challenges.check(Guess(id, seen.address, code))
        checked.require_right()
        account = await self._move(claims, checked, seen.address, Actor.oneself(client.address))
        await self._settle(checked, account)
        return account

    async def _mailed(self, address: str, begun: Standing, share: MailShare) -> Issued:
        try:
            async with self.db.connection() as connection:
                found = await account_store.availability(connection, address, None)
            taken = found.address_taken
            issued = await self.challenges.open(address, msgspec.json.encode(begun), sealed=taken)
        except Unavailable:
            await self.limits.give_back(share)
            raise
        email: OtpEmail = "address-taken" if taken else "one-time-code"
        await self.mail.request(email, address, issued, share)
        return issued

    async def _begin(self, claims: Claims, proven: Credentials, id: str, by: Actor) -> None:
        async with self.db.transaction() as tx:
            await self.reauthentication.lock_unchanged(tx, claims, proven)
            before = await begin_change(tx, claims.subject, id, by)
        if before is not None:
            with suppress(Unavailable):  # dead anyway: it is not the account's any more
                await self.challenges.discard(before)

    async def _current(self, claims: Claims, change_id: str | None) -> str:
        """The challenge that may move the account; another's is refused without a guess."""
        async with self.db.connection() as connection:
            await account_behind(connection, claims)
            current = await address_store.challenge(connection, claims.subject)
        if current is None or change_id not in (None, current):
            raise CodeExpired
        return current

    async def _move(self, claims: Claims, checked: Checked, address: str, by: Actor) -> Account:
        async with self.db.transaction() as tx:
            found = await lock_behind(tx, claims)
            current = await address_store.challenge(tx, claims.subject)
            if current == checked.challenge_id and found.account.email == address:
                return found.account  # it has moved: the first answer was lost
            # A password or an address that was set since the request has ended it.
            if current != checked.challenge_id or not _of(checked, found):
                raise CodeExpired
            if not await change_address(tx, found.account, address, by):
                raise AddressTaken
        return replace(found.account, email=address)

    async def _settle(self, checked: Checked, account: Account) -> None:
        if checked.outcome is Outcome.COMMITTED:
            return
        try:
            await self.challenges.settle(checked.challenge_id, str(account.id))
        except Unavailable:
            # The account has moved, and a retry will find it there.
            log.warning("challenge_not_settled", user_id=str(account.id))


def _of(checked: Checked, found: Credentials) -> bool:
    if checked.outcome is Outcome.COMMITTED:
        return False
    begun = msgspec.json.decode(checked.content, type=Standing)
    return begun == found.standing
