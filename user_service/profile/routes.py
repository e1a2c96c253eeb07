"""GET, PATCH and DELETE /api/auth/profile, and /v1/me."""

from __future__ import annotations

from litestar import Controller, delete, get, patch
from litestar.status_codes import HTTP_200_OK
from msgspec import UNSET, Struct, UnsetType

from user_service.accounts.edited import Edit
from user_service.errors import (
    Overloaded,
    TokenRejected,
    Unavailable,
    UsernamesSpent,
    UsernameTaken,
    WrongPassword,
)
from user_service.profile.flow import Profile
from user_service.web.answers import Success, User, UserData
from user_service.web.exchange import AnyRequest, exchange_of
from user_service.web.fields import Name, Password, Username
from user_service.web.guard import BEARER, claims_of, reader_of
from user_service.web.injected import Injected
from user_service.web.problems import EVERY_POST, documented


class EditRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What is left out stays as it is; a username of null is given up."""

    name: Name | UnsetType = UNSET
    username: Username | UnsetType | None = UNSET


class DeletionRequest(Struct, frozen=True, forbid_unknown_fields=True):
    password: Password


class ProfileRoutes(Controller):
    tags = ("Profile",)
    security = BEARER

    @get(
        ["/api/auth/profile", "/v1/me"],
        summary="Read one's own profile",
        description="With a session token of Clerk's too, where this service is set up for them.",
        responses=documented(TokenRejected, Unavailable),
    )
    async def read(self, request: AnyRequest, profile: Injected[Profile]) -> Success[UserData]:
        account = await profile.read(await reader_of(request))
        exchange_of(request).subject = str(account.id)
        return Success(message="This is you.", data=UserData(User.of(account)))

    @patch(
        "/api/auth/profile",
        summary="Change one's own name or username",
        responses=documented(*EVERY_POST, TokenRejected, UsernamesSpent, UsernameTaken),
    )
    async def edit(
        self, request: AnyRequest, data: EditRequest, profile: Injected[Profile]
    ) -> Success[UserData]:
        claims, client = claims_of(request), exchange_of(request).client
        account = await profile.edit(claims, Edit(data.name, data.username), client)
        return Success(message="Your profile is changed.", data=UserData(User.of(account)))

    @delete(
        "/api/auth/profile",
        status_code=HTTP_200_OK,
        summary="Delete one's own account, for good",
        responses=documented(*EVERY_POST, Overloaded, TokenRejected, WrongPassword),
    )
    async def delete(
        self, request: AnyRequest, data: DeletionRequest, profile: Injected[Profile]
    ) -> Success[None]:
        claims, client = claims_of(request), exchange_of(request).client
        await profile.delete(claims, data.password, client)
        return Success(message="Your account is deleted.", data=None)
