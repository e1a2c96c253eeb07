"""The shapes that answers have."""

from __future__ import annotations

from datetime import datetime
from typing import Generic, Literal, TypeVar
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from user_service.identity.account_store import Account
from user_service.identity.session_store import Session
from user_service.identity.token_pair import TokenPair

T = TypeVar("T")


class Success(Struct, Generic[T], frozen=True, kw_only=True):
    status: Literal["success"] = "success"
    message: str
    data: T


class User(Struct, frozen=True):
    """An account as its owner sees it."""

    id: UUID
    name: str
    email: str
    username: str | None
    created_at: datetime

    @classmethod
    def of(cls, account: Account) -> User:
        return cls(account.id, account.name, account.email, account.username, account.created_at)


class UserData(Struct, frozen=True):
    user: User


class Tokens(Struct, frozen=True):
    """`expires_in` is in seconds and is the access token's."""

    token: str
    expires_in: int
    refresh_token: str
    user: User
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105

    @classmethod
    def of(cls, pair: TokenPair, lifetime: int) -> Tokens:
        return cls(pair.access, lifetime, pair.refresh, User.of(pair.account))


class LiveSession(Struct, frozen=True):
    """`device` is the User-Agent it was opened with."""

    id: UUID
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    address: str
    device: str

    @classmethod
    def of(cls, session: Session) -> LiveSession:
        return cls(
            session.id,
            session.created_at,
            session.last_used_at,
            session.expires_at,
            session.address,
            session.user_agent,
        )


class EndedSessions(Struct, frozen=True):
    """How many sessions ended."""

    ended: int


class FieldError(Struct, frozen=True):
    field: str
    detail: str


class Problem(Struct, frozen=True):
    """RFC 9457 problem details; `code` is stable, `detail` is for people."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldError] | UnsetType = UNSET
