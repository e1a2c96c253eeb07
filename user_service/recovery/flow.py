"""Recovering: ask for a code, set another password with it or with the link of its mail."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

import msgspec
import structlog
from msgspec import Struct

from shared.emails import OtpEmail
from user_service.accounts.password_changed import reset_password
from user_service.accounts.recovery_requested import note_request
from user_service.audit.audit_store import Actor
from user_service.errors import CodeExpired, Unavailable
from user_service.identity import account_store, password_store
from user_service.identity.account_store import Account, Standing
from user_service.identity.addresses import canonical_address
from user_service.identity.challenge_mail import ChallengeMail
from user_service.identity.challenge_store import Challenges, Guess, Issued, Outcome
from user_service.identity.new_passwords import NewPasswords
from user_service.identity.password_attempts import PasswordAttempts
from user_service.identity.passwords import Passwords
from user_service.storage.postgres import Database
from user_service.storage.rate_limits import Client, RateLimits

log = structlog.get_logger()


class Code(Struct, frozen=True):
    """What somebody types: the digits that were mailed to an address for a recovery."""

    recovery_id: str
    email: str
    digits: str


class LinkToken(Struct, frozen=True):
    """What a link in the mail carries instead."""

    text: str


@dataclass(frozen=True, slots=True)
class Recovery:
    db: Database
    challenges: Challenges
    mail: ChallengeMail
    limits: RateLimits
    passwords: Passwords
    new_passwords: NewPasswords
    attempts: PasswordAttempts

    async def ask(self, email: str, client: Client) -> Issued:
        """Have a code mailed to an address that has an active account.

        Any other address costs the same work and is answered alike, by a challenge that refuses
        every guess and a mail that is not sent. Raises InvalidFields, TooManyRequests, Unavailable.
        """
        await self.limits.spend("recovery", client)
        address = canonical_address(email)
        self.mail.require_reachable()
        share = await self.limits.spend_mail(client, "recover", address)
        try:
            begun = await self._noted(address, Actor.oneself(client.address))
            issued = await self._open(address, begun)
        except Unavailable:
            await self.limits.give_back(share)
            raise
        template: OtpEmail = "decoy-message" if begun is None else "one-time-code"
        await self.mail.request(template, address, issued, share)
        return issued

    async def reset(self, proof: Code | LinkToken, password: str, client: Client) -> UUID:
        """Set the account's password, end its sessions, and return its id.

        The same request succeeds again for ten minutes and changes nothing more. Raises
        InvalidFields, WrongCode, GuessesSpent, CodeExpired, TooManyRequests, Unavailable.
        """
        await self.limits.spend("verify", client)
        guess = await self._guess(proof)
        # Before the code: what nobody may use is refused without telling whether it was right.
        self.new_passwords.require_allowed(password, address=guess.address, field="new_password")
        checked = await self.challenges.check(guess)
        checked.require_right()
        if checked.outcome is Outcome.COMMITTED:
            account_id = UUID(checked.content.decode())
            await self._require_done(guess.id, account_id, password)
            return account_id
        begun = msgspec.json.decode(checked.content, type=Standing)
        await self._judge(begun.account_id, password)
        account = await self._commit(guess.id, begun, password, Actor.oneself(client.address))
        if account is None:
            await self._require_done(guess.id, begun.account_id, password)
        else:
            await self._settle(guess.id, account, client)
        return begun.account_id

    async def _noted(self, address: str, by: Actor) -> Standing | None:
        async with self.db.transaction() as tx:
            found = await account_store.lock_by_address(tx, address)
            await note_request(tx, address, found, by)
        return found.standing if found and found.active else None

    async def _open(self, address: str, begun: Standing | None) -> Issued:
        content = msgspec.json.encode(begun or Standing(uuid4(), 0))
        return await self.challenges.open(address, content, sealed=begun is None)

    async def _guess(self, proof: Code | LinkToken) -> Guess:
        if isinstance(proof, LinkToken):
            return await self.challenges.guess_of(proof.text)
        return Guess(proof.recovery_id, canonical_address(proof.email), proof.digits)

    async def _judge(self, account_id: UUID, password: str) -> None:
        """Judge it by the owner's name too, which only the right code may tell of.

        A refusal costs no code: it is verified, and takes another password for ten minutes.
        """
        async with self.db.connection() as connection:
            owner = await account_store.find(connection, account_id)
        if owner is not None:
            await self.new_passwords.require(
                password, address=owner.email, name=owner.name, field="new_password"
            )

    async def _commit(self, id: str, begun: Standing, password: str, by: Actor) -> Account | None:
        """The account with its new password; None when it is disabled or in another epoch."""
        hashed = await self.passwords.hash(password)
        async with self.db.transaction() as tx:
            found = await account_store.lock(tx, begun.account_id)
            if found is None or not found.active or found.standing != begun:
                return None
            await reset_password(tx, found.account, hashed, by, challenge_id=id)
        return found.account

    async def _settle(self, id: str, account: Account, client: Client) -> None:
        try:
            await self.challenges.settle(id, str(account.id))
            # Whoever has just proven the mailbox should not wait for what was guessed before.
            for identifier in (account.email, account.username, str(account.id)):
                if identifier is not None:
                    await self.attempts.forgive(identifier, client)
        except Unavailable:
            # The password is set, and the account knows by which recovery: a retry will be told.
            log.warning("challenge_not_settled", user_id=str(account.id))

    async def _require_done(self, id: str, account_id: UUID, password: str) -> None:
        """Raise CodeExpired unless this recovery set this password, and it is still in use."""
        async with self.db.connection() as connection:
            found = await account_store.credentials(connection, "id", account_id)
            ours = await password_store.challenge(connection, account_id) == id
        stored = found.password_hash if found and found.active and ours else None
        if stored is None or not await self.passwords.verify(password, stored, str(account_id)):
            # No repetition; and a used code must not be a place to try passwords at.
            await self.challenges.discard(id)
            raise CodeExpired
