"""POST /api/auth/refresh and /logout, GET and DELETE /api/auth/sessions."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from litestar import Controller, delete, get, post
from litestar.status_codes import HTTP_200_OK
from msgspec import Meta, Struct
from msgspec.structs import asdict

from user_service.errors import (
    NoSuchSession,
    OriginRefused,
    RefreshTokenRejected,
    TokenRejected,
    Unavailable,
)
from user_service.identity.refresh_tokens import TOKEN_CHARACTERS
from user_service.identity.session_store import Session
from user_service.sessions.flow import Sessions
from user_service.web.answers import EndedSessions, LiveSession, Success, Tokens
from user_service.web.exchange import AnyRequest, exchange_of
from user_service.web.guard import BEARER, claims_of
from user_service.web.injected import Injected
from user_service.web.problems import EVERY_POST, documented


class RefreshRequest(Struct, frozen=True, forbid_unknown_fields=True):
    refresh_token: Annotated[str, Meta(min_length=1, max_length=TOKEN_CHARACTERS)]


class ListedSession(LiveSession, frozen=True):
    """`current` marks the one that asks; `device` is the User-Agent it was opened with."""

    current: bool

    @classmethod
    def seen_from(cls, current: UUID, session: Session) -> ListedSession:
        return cls(**asdict(LiveSession.of(session)), current=session.id == current)


class SessionList(Struct, frozen=True):
    sessions: list[ListedSession]


class SessionRoutes(Controller):
    path = "/api/auth"
    tags = ("Sessions",)

    @post(
        "/refresh",
        status_code=HTTP_200_OK,
        summary="Exchange a refresh token for its successor and an access token",
        responses=documented(*EVERY_POST, RefreshTokenRejected),
    )
    async def refresh(
        self, request: AnyRequest, data: RefreshRequest, sessions: Injected[Sessions]
    ) -> Success[Tokens]:
        exchange = exchange_of(request)
        pair = await sessions.refresh(data.refresh_token, exchange.client)
        exchange.subject = str(pair.account.id)
        return Success(
            message="Your session goes on.", data=Tokens.of(pair, sessions.tokens.lifetime)
        )

    @post(
        "/logout",
        status_code=HTTP_200_OK,
        security=BEARER,
        summary="End this session: its tokens are dead at once",
        responses=documented(OriginRefused, TokenRejected, Unavailable),
    )
    async def log_out(
        self, request: AnyRequest, sessions: Injected[Sessions]
    ) -> Success[EndedSessions]:
        await sessions.log_out(claims_of(request), exchange_of(request).client)
        return Success(message="You are logged out.", data=EndedSessions(1))

    @get(
        "/sessions",
        security=BEARER,
        summary="List one's own live sessions",
        responses=documented(TokenRejected, Unavailable),
    )
    async def list_sessions(
        self, request: AnyRequest, sessions: Injected[Sessions]
    ) -> Success[SessionList]:
        claims = claims_of(request)
        listed = [
            ListedSession.seen_from(claims.session, each) for each in await sessions.list(claims)
        ]
        return Success(message="These are your sessions.", data=SessionList(listed))

    @delete(
        "/sessions/{session_id:uuid}",
        status_code=HTTP_200_OK,
        security=BEARER,
        summary="End one of one's own sessions",
        responses=documented(NoSuchSession, OriginRefused, TokenRejected, Unavailable),
    )
    async def end(
        self, request: AnyRequest, session_id: UUID, sessions: Injected[Sessions]
    ) -> Success[EndedSessions]:
        await sessions.end(claims_of(request), session_id, exchange_of(request).client)
        return Success(message="The session has ended.", data=EndedSessions(1))

    @delete(
        "/sessions",
        status_code=HTTP_200_OK,
        security=BEARER,
        summary="End all of one's own sessions but this one",
        responses=documented(OriginRefused, TokenRejected, Unavailable),
    )
    async def end_others(
        self, request: AnyRequest, sessions: Injected[Sessions]
    ) -> Success[EndedSessions]:
        ended = await sessions.end_others(claims_of(request), exchange_of(request).client)
        return Success(message="All your other sessions have ended.", data=EndedSessions(ended))
