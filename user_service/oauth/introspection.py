"""Other services ask what a token is worth at this moment, and end its session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from user_service.accounts.sessions_ended import end_sessions
from user_service.audit.audit_store import Actor
from user_service.errors import RefreshTokenRejected, TokenRejected
from user_service.identity import account_store, refresh_token_store
from user_service.identity.access_tokens import AccessTokens
from user_service.identity.callers import account_behind
from user_service.identity.clients import ClientCredentials, Clients
from user_service.identity.refresh_tokens import RefreshTokens
from user_service.storage.postgres import Connection, Database
from user_service.storage.rate_limits import Client


class Introspected(Struct, frozen=True, kw_only=True):
    """RFC 7662 §2.2. Of a token that is not active nothing else is said."""

    active: bool
    sub: UUID | UnsetType = UNSET
    sid: UUID | UnsetType = UNSET
    iss: str | UnsetType = UNSET
    aud: str | UnsetType = UNSET
    exp: int | UnsetType = UNSET
    iat: int | UnsetType = UNSET
    jti: str | UnsetType = UNSET
    token_type: Literal["Bearer", "refresh_token"] | UnsetType = UNSET
    username: str | UnsetType = UNSET


INACTIVE = Introspected(active=False)


@dataclass(frozen=True, slots=True)
class Introspection:
    db: Database
    clients: Clients
    tokens: AccessTokens
    refresh_tokens: RefreshTokens

    async def introspect(self, credentials: ClientCredentials | None, token: str) -> Introspected:
        """Raises ClientRejected, Unavailable."""
        await self.clients.require(credentials)
        self.tokens.require_ready()
        try:
            return await (self._access(token) if "." in token else self._refresh(token))
        except (TokenRejected, RefreshTokenRejected):
            return INACTIVE

    async def revoke(
        self, credentials: ClientCredentials | None, token: str, client: Client
    ) -> None:
        """End the token's session, whichever of its tokens this is; nothing for any other text.

        Any client may end any session: services of one house trust each other that far.
        Raises ClientRejected, Unavailable.
        """
        name = await self.clients.require(credentials)
        self.tokens.require_ready()
        async with self.db.transaction() as tx:
            account_id, session = await self._session_of(tx, token)
            if account_id and await account_store.lock(tx, account_id):
                by = Actor("service", name, client.address)
                await end_sessions(tx, account_id, by, only=session)

    async def _access(self, token: str) -> Introspected:
        claims = self.tokens.verify(token)
        async with self.db.connection() as connection:
            account = await account_behind(connection, claims)
        return Introspected(
            active=True,
            sub=claims.subject,
            sid=claims.session,
            iss=self.tokens.issuer,
            aud=self.tokens.audience,
            exp=claims.expires_at,
            iat=claims.issued_at,
            jti=claims.token_id,
            token_type="Bearer",  # noqa: S106
            username=account.username or UNSET,
        )

    async def _refresh(self, text: str) -> Introspected:
        token = self.refresh_tokens.read(text)
        async with self.db.connection() as connection:
            live = await refresh_token_store.live_behind(connection, token)
        if live is None:
            return INACTIVE
        return Introspected(
            active=True,
            sub=live.account.id,
            sid=token.session,
            iss=self.tokens.issuer,
            # Ours alone: a service that checks the audience never takes it for an access token.
            aud=self.tokens.issuer,
            exp=int(live.expires_at.timestamp()),
            iat=int(live.issued_at.timestamp()),
            token_type="refresh_token",  # noqa: S106
            username=live.account.username or UNSET,
        )

    async def _session_of(self, connection: Connection, token: str) -> tuple[UUID | None, UUID]:
        nothing = (None, UUID(int=0))
        try:
            if "." in token:
                claims = self.tokens.verify(token)
                return claims.subject, claims.session
            presented = self.refresh_tokens.read(token)
        except (TokenRejected, RefreshTokenRejected):
            return nothing
        return await refresh_token_store.owner_of(connection, presented), presented.session
