"""Changing one's own password, by somebody who knows the present one."""

from __future__ import annotations

from dataclasses import dataclass

from user_service.accounts.password_changed import change_password
from user_service.accounts.reauthentication import Reauthentication
from user_service.audit.audit_store import Actor
from user_service.errors import InvalidFields
from user_service.identity.access_tokens import Claims
from user_service.identity.account_store import Account
from user_service.identity.new_passwords import NewPasswords
from user_service.identity.password_policy import normalized
from user_service.identity.passwords import Passwords
from user_service.storage.postgres import Database
from user_service.storage.rate_limits import Client

THE_SAME = "This is the present password. Choose another one."


@dataclass(frozen=True, slots=True)
class PasswordChange:
    db: Database
    reauthentication: Reauthentication
    new_passwords: NewPasswords
    passwords: Passwords

    async def change(self, claims: Claims, current: str, new: str, client: Client) -> None:
        """Every session but the caller's ends, and the owner is told.

        Raises InvalidFields, TokenRejected, WrongPassword, TooManyRequests, Unavailable.
        """
        proven = await self.reauthentication.require(claims, current, client)
        await self._judge(new, current, proven.account)
        new_hash = await self.passwords.hash(new)
        async with self.db.transaction() as tx:
            found = await self.reauthentication.lock_unchanged(tx, claims, proven)
            by = Actor.oneself(client.address)
            await change_password(tx, found.account, new_hash, by, keep=claims.session)

    async def _judge(self, new: str, current: str, owner: Account) -> None:
        # Somebody who changes a password fears for it: the same again would only look like help.
        if normalized(new) == normalized(current):
            raise InvalidFields(new_password=THE_SAME)
        await self.new_passwords.require(
            new, address=owner.email, name=owner.name, field="new_password"
        )
