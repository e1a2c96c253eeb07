"""A logged-in person proves the password again, before something that a thief would want."""

from __future__ import annotations

from dataclasses import dataclass

from user_service.audit import audit_store
from user_service.audit.audit_store import Actor
from user_service.errors import TokenRejected, WrongPassword
from user_service.identity import account_store
from user_service.identity.access_tokens import Claims
from user_service.identity.account_store import Credentials
from user_service.identity.callers import account_behind, lock_behind
from user_service.identity.password_attempts import PasswordAttempts
from user_service.identity.passwords import Passwords
from user_service.storage.postgres import Database, Transaction
from user_service.storage.rate_limits import Client


@dataclass(frozen=True, slots=True)
class Reauthentication:
    """Throttled like logins, by the account: a stolen token must not become a guessing machine."""

    db: Database
    attempts: PasswordAttempts
    passwords: Passwords

    async def require(self, claims: Claims, password: str, client: Client) -> Credentials:
        """The caller's account as it was when the password was right.

        Raises TokenRejected, WrongPassword, TooManyRequests, Unavailable.
        """
        identifier = str(claims.subject)
        async with self.db.connection() as connection:
            await account_behind(connection, claims)
            found = await account_store.credentials(connection, "id", claims.subject)
        if found is None:
            raise TokenRejected
        others = await self.attempts.admit(identifier, client)
        if not await self.passwords.verify(password, found.password_hash, identifier):
            await self._refuse(claims, client)
            await self.attempts.failed(identifier, client)
            raise WrongPassword
        if others:
            await self.attempts.succeeded(identifier, client)
        return found

    async def lock_unchanged(
        self, tx: Transaction, claims: Claims, proven: Credentials
    ) -> Credentials:
        """The account, locked; raises WrongPassword when its password changed meanwhile."""
        found = await lock_behind(tx, claims)
        if found.epoch != proven.epoch:
            raise WrongPassword
        return found

    async def _refuse(self, claims: Claims, client: Client) -> None:
        by = Actor.oneself(client.address)
        async with self.db.transaction() as tx:
            await audit_store.write(tx, claims.subject, "password_refused", by, outcome="refused")
