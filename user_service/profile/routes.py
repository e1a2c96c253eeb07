"""GET /api/auth/profile and /v1/me."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Request, get

from user_service.errors import TokenRejected, Unavailable
from user_service.profile.flow import Profile
from user_service.web.answers import Success, User, UserData
from user_service.web.guard import claims_of
from user_service.web.injected import Injected
from user_service.web.problems import documented


class ProfileRoutes(Controller):
    tags = ("Profile",)
    security = ({"access_token": []},)

    @get(
        ["/api/auth/profile", "/v1/me"],
        summary="Read one's own profile",
        responses=documented(TokenRejected, Unavailable),
    )
    async def read(
        self, request: Request[Any, Any, Any], profile: Injected[Profile]
    ) -> Success[UserData]:
        account = await profile.read(claims_of(request))
        return Success(message="This is you.", data=UserData(User.of(account)))
