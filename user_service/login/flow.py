"""Logging in: throttle → find → verify (as much work for nobody) → open a session."""

from __future__ import annotations

from dataclasses import dataclass

from user_service.accounts.logged_in import open_session
from user_service.errors import Overloaded, WrongCredentials
from user_service.identity import account_store
from user_service.identity.access_tokens import AccessTokens
from user_service.identity.account_store import Credentials, RenewedHash
from user_service.identity.identifiers import Identifier
from user_service.identity.password_attempts import PasswordAttempts
from user_service.identity.passwords import Passwords
from user_service.identity.refresh_tokens import RefreshTokens
from user_service.identity.session_store import Device, SessionRules
from user_service.identity.token_pair import TokenPair
from user_service.storage.postgres import Database
from user_service.storage.rate_limits import Client


@dataclass(frozen=True, slots=True)
class Login:
    db: Database
    attempts: PasswordAttempts
    passwords: Passwords
    tokens: AccessTokens
    refresh_tokens: RefreshTokens
    sessions: SessionRules
    tell_of_new_devices: bool

    async def open_session(
        self, identifier: Identifier, password: str, client: Client, device: Device
    ) -> TokenPair:
        """A new session of the account; raises WrongCredentials, TooManyRequests, Unavailable."""
        self.tokens.require_ready()  # or a right password would be told by what cannot follow it
        self.passwords.require_room()
        others = await self.attempts.admit(identifier.value, client)
        async with self.db.connection() as connection:
            found = await account_store.credentials(connection, identifier.kind, identifier.value)
        account = await self._verified(found, identifier.value, password)
        if account is None:
            await self.attempts.failed(identifier.value, client)
            raise WrongCredentials
        if others:
            await self.attempts.succeeded(identifier.value, client)
        return await self._open(account, password, device)

    async def _verified(
        self, found: Credentials | None, identifier: str, password: str
    ) -> Credentials | None:
        stored = found.password_hash if found else None
        matches = await self.passwords.verify(password, stored, identifier)
        return found if matches and found is not None and found.active else None

    async def _open(self, found: Credentials, password: str, device: Device) -> TokenPair:
        account = found.account
        renewed = await self._renewed(password, found.password_hash)
        async with self.db.transaction() as tx:
            opened = await open_session(
                tx,
                found,
                device=device,
                rules=self.sessions,
                renewed=renewed,
                tell_of_new_devices=self.tell_of_new_devices,
            )
        if opened is None:
            raise WrongCredentials
        access = self.tokens.issue(subject=account.id, session=opened.session)
        return TokenPair(account, access, self.refresh_tokens.write(opened))

    async def _renewed(self, password: str, stored: str | None) -> RenewedHash | None:
        if stored is None:
            return None
        try:
            new = await self.passwords.renewed(password, stored)
        except Overloaded:
            return None  # the next login will do
        return RenewedHash(stored, new) if new else None
