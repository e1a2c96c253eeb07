"""Sessions: refresh one, end one's own, list them, end another or all others."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from user_service.accounts.sessions_ended import end_sessions
from user_service.audit import audit_store
from user_service.audit.audit_store import Actor
from user_service.errors import NoSuchSession, RefreshTokenRejected
from user_service.identity import account_store, refresh_token_store, session_store
from user_service.identity.access_tokens import AccessTokens, Claims
from user_service.identity.account_store import Account
from user_service.identity.callers import account_behind, lock_behind
from user_service.identity.refresh_token_store import Shown
from user_service.identity.refresh_tokens import RefreshToken, RefreshTokens
from user_service.identity.session_store import Session, SessionRules
from user_service.identity.token_pair import TokenPair
from user_service.storage.postgres import Database
from user_service.storage.rate_limits import Client


@dataclass(frozen=True, slots=True)
class Sessions:
    db: Database
    tokens: AccessTokens
    refresh_tokens: RefreshTokens
    rules: SessionRules

    async def refresh(self, text: str, client: Client) -> TokenPair:
        """The successor of a refresh token, and an access token.

        The same successor again within the grace, because the first answer may have been lost.
        Raises RefreshTokenRejected; a replayed token costs its whole session.
        """
        self.tokens.require_ready()
        presented = self.refresh_tokens.read(text)
        async with self.db.connection() as connection:
            account = await refresh_token_store.refresh(connection, presented, self.rules)
        if account is None:
            account = await self._repeated(presented, client)
        access = self.tokens.issue(subject=account.id, session=presented.session)
        return TokenPair(account, access, self.refresh_tokens.write(presented.successor))

    async def list(self, claims: Claims) -> list[Session]:
        """The caller's live sessions, newest first; raises TokenRejected."""
        async with self.db.connection() as connection:
            await account_behind(connection, claims)
            return await session_store.live(connection, claims.subject)

    async def log_out(self, claims: Claims, client: Client) -> None:
        """End the session that the token belongs to; raises TokenRejected."""
        await self.end(claims, claims.session, client)

    async def end(self, claims: Claims, session: UUID, client: Client) -> None:
        """End one session of the caller; raises TokenRejected, NoSuchSession."""
        async with self.db.transaction() as tx:
            await lock_behind(tx, claims)
            by = Actor.oneself(client.address)
            ended = await end_sessions(tx, claims.subject, by, only=session)
        if not ended:
            raise NoSuchSession

    async def end_others(self, claims: Claims, client: Client) -> int:
        """End every session of the caller but this one, and return how many; TokenRejected."""
        async with self.db.transaction() as tx:
            await lock_behind(tx, claims)
            by = Actor.oneself(client.address)
            return await end_sessions(tx, claims.subject, by, keep=claims.session)

    async def _repeated(self, presented: RefreshToken, client: Client) -> Account:
        shown = Shown.DEAD
        async with self.db.transaction() as tx:
            account_id = await refresh_token_store.owner_of(tx, presented)
            found = await account_store.lock(tx, account_id) if account_id else None
            if found is not None and found.active:
                shown = await refresh_token_store.judge(tx, presented)
            if found is not None and shown is Shown.REPLAYED:
                by = Actor.oneself(client.address)
                id = found.account.id
                await audit_store.write(tx, id, "refresh_token_replayed", by, outcome="refused")
                await end_sessions(tx, id, by, only=presented.session)

        # Refused only after the commit: a stolen token must cost its whole session.
        if found is None or shown is not Shown.REPEATED:
            raise RefreshTokenRejected
        return found.account
