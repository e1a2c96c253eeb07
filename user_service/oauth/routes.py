"""POST /token, /validate, /introspect and /revoke."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal
from uuid import UUID

from litestar import Controller, Response, post
from litestar.status_codes import HTTP_200_OK
from msgspec import UNSET, Struct, UnsetType

from user_service.errors import (
    BodyTooLarge,
    ClientRejected,
    InvalidFields,
    OriginRefused,
    Overloaded,
    RefreshTokenRejected,
    TokenRejected,
    TooManyRequests,
    Unavailable,
    UnsupportedGrantType,
    WrongCredentials,
)
from user_service.oauth.client_credentials import credentials_of
from user_service.oauth.forms import FormOperation, form_of, parameter
from user_service.oauth.grants import Grants
from user_service.oauth.introspection import Introspected, Introspection
from user_service.oauth.refusals import IN_OAUTH_SHAPE, documented
from user_service.profile.flow import Profile
from user_service.web import problems
from user_service.web.basic_auth import BASIC
from user_service.web.exchange import AnyRequest, device_of, exchange_of
from user_service.web.guard import BEARER, claims_of
from user_service.web.injected import Injected

LONGEST_TOKEN = 16 * 1024
FORM = (BodyTooLarge, InvalidFields, Unavailable)


class TokenAnswer(Struct, frozen=True):
    """RFC 6749 §5.1. Whoever asked for a scope reads that none was given: there are none."""

    access_token: str
    expires_in: int
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105
    scope: str | UnsetType = UNSET


class Revoked(Struct, frozen=True):
    """RFC 7009 §2.2: the status says it all."""


class Validated(Struct, frozen=True):
    sub: UUID
    username: str | None
    valid: Literal[True] = True


@dataclass
class TokenForm(FormOperation):
    required: ClassVar = {"grant_type": "password or refresh_token"}
    optional: ClassVar = {
        "username": "An email address or a username, for the password grant.",
        "password": "For the password grant.",
        "refresh_token": "For the refresh_token grant.",
        "scope": "There are none; whatever is asked for, none is given.",
    }


@dataclass
class ClientForm(FormOperation):
    required: ClassVar = {"token": "An access token or a refresh token."}
    optional: ClassVar = {
        "token_type_hint": "Is not needed.",
        "client_id": "Instead of HTTP Basic.",
        "client_secret": "Instead of HTTP Basic.",
    }


@post(
    "/validate",
    tags=["Tokens"],
    status_code=HTTP_200_OK,
    security=BEARER,
    summary="Ask whether one's own access token is good at this moment",
    responses=problems.documented(OriginRefused, TokenRejected, Unavailable),
)
async def validate(request: AnyRequest, profile: Injected[Profile]) -> Validated:
    account = await profile.read(claims_of(request))
    return Validated(account.id, account.username)


class FormRoutes(Controller):
    tags = ("Tokens",)
    exception_handlers = IN_OAUTH_SHAPE

    @post(
        "/token",
        status_code=HTTP_200_OK,
        operation_class=TokenForm,
        summary="Get tokens for a password or a refresh token, as OAuth 2.0 clients ask for them",
        description="For our own, first-party pages and tools: nobody else should ever be given "
        "a password. Everything that holds for /api/auth/login and /refresh holds here.",
        responses=documented(
            *FORM,
            Overloaded,
            RefreshTokenRejected,
            TooManyRequests,
            UnsupportedGrantType,
            WrongCredentials,
        ),
    )
    async def token(self, request: AnyRequest, grants: Injected[Grants]) -> Response[TokenAnswer]:
        form, exchange = await form_of(request), exchange_of(request)
        pair = await grants.give(form, exchange.client, device_of(exchange))
        exchange.subject = str(pair.account.id)
        scope = "" if "scope" in form else UNSET
        answer = TokenAnswer(pair.access, grants.lifetime, pair.refresh, scope=scope)
        return Response(answer, headers={"pragma": "no-cache"})

    @post(
        "/introspect",
        status_code=HTTP_200_OK,
        operation_class=ClientForm,
        security=BASIC,
        summary="Ask what a token is worth at this moment (RFC 7662)",
        responses=documented(*FORM, ClientRejected),
    )
    async def introspect(
        self, request: AnyRequest, introspection: Injected[Introspection]
    ) -> Introspected:
        form = await form_of(request)
        return await introspection.introspect(
            credentials_of(request, form), parameter(form, "token", LONGEST_TOKEN)
        )

    @post(
        "/revoke",
        status_code=HTTP_200_OK,
        operation_class=ClientForm,
        security=BASIC,
        summary="End a token's session (RFC 7009)",
        responses=documented(*FORM, ClientRejected),
    )
    async def revoke(self, request: AnyRequest, introspection: Injected[Introspection]) -> Revoked:
        form = await form_of(request)
        await introspection.revoke(
            credentials_of(request, form),
            parameter(form, "token", LONGEST_TOKEN),
            exchange_of(request).client,
        )
        return Revoked()
