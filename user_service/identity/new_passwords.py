"""The one door for new passwords: registering, changing and resetting go through it."""

from __future__ import annotations

from dataclasses import dataclass

from user_service.errors import InvalidFields
from user_service.identity.breached_passwords import BreachedPasswords
from user_service.identity.password_policy import PasswordPolicy, normalized

BREACHED = "This password is known from a data breach elsewhere. Choose another one."


@dataclass(frozen=True, slots=True)
class NewPasswords:
    """What the policy allows and no breach has made known; without `breached`, the policy alone."""

    policy: PasswordPolicy
    breached: BreachedPasswords | None

    async def require(
        self, password: str, *, address: str, name: str = "", field: str = "password"
    ) -> None:
        """Raise InvalidFields about `field` unless the owner of the address may use it."""
        self.require_allowed(password, address=address, name=name, field=field)
        if self.breached is not None and await self.breached.hold(normalized(password)):
            raise InvalidFields(**{field: BREACHED})

    def require_allowed(
        self, password: str, *, address: str, name: str = "", field: str = "password"
    ) -> None:
        """The same by the policy alone, which asks nobody."""
        local, _, _ = address.partition("@")
        own_words = (address, local, name, *name.split())
        if objection := self.policy.objection(normalized(password), own_words):
            raise InvalidFields(**{field: objection})
